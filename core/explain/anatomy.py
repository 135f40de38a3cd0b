"""Where the regions of the average brain lie in a fitted scan."""

import numpy as np
from numpy.typing import NDArray

from core.errors import StageLensError
from core.explain.explanation import Asked
from core.networks.geometry import nearest_fitted
from core.scans.atlas import region_slice


def fitted_regions(asked: Asked, place: int) -> NDArray[np.uint8]:
    """Return the region of each pixel of a fitted scan: uint8, (depth ×) height × width, places in `REGIONS`.

    Raises:
        StageLensError: The network does not read slices in standard space, or the slice's height is not known.
    """
    recipe = asked.predictor.network.recipe
    if recipe.slices is None:
        raise StageLensError(
            "regions are known in standard space only, which this network does not read; take occlusion."
        )
    size = (recipe.height, recipe.width)
    if recipe.depth is not None:
        heights = np.linspace(recipe.slices.lowest_mm, recipe.slices.highest_mm, recipe.depth)
        return np.stack([nearest_fitted(region_slice(height), size) for height in heights])
    height = asked.heights_mm[place]
    if height is None:
        raise StageLensError("regions need the height of the slice above the commissures in mm; give it, or a volume.")
    return nearest_fitted(region_slice(height), size)
