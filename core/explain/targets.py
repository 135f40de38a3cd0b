"""Which class a heatmap explains."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.errors import StageLensError
from core.networks.recipe import Recipe


def class_indices(recipe: Recipe, class_names: Sequence[str | None]) -> NDArray[np.int64]:
    """Turn class names into indices of a network's outputs.

    Args:
        recipe: The network's recipe.
        class_names: N names, in any spelling as to case, spaces and underscores, or None for the predicted class.

    Returns:
        int64, N; -1 for None, which is resolved by the network's own pass.

    Raises:
        StageLensError: A name is not one of the network's classes.
    """
    task = recipe.as_task()
    indices = np.full(len(class_names), -1, np.int64)
    for index, name in enumerate(class_names):
        if name is not None:
            known = task.class_of(name)
            if known is None:
                classes = ", ".join(recipe.classes)
                raise StageLensError(f"{name!r} is not a class of this network; its classes are {classes}.")
            indices[index] = recipe.classes.index(known)
    return indices
