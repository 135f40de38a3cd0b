"""The forward pass of a morphometric model: tissue maps in the place of feature maps. Knows no network library."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from core.errors import BundleError, WeightsError
from core.morphometry.maps import BLOCK, MAPPED, maps_of
from core.morphometry.model import TissueModel
from core.morphometry.tissue import tissues_of
from core.networks.architectures.geometry import input_shape
from core.networks.bundle import WEIGHTS_FILE, Bundle
from core.networks.inference.engine import Body, Floats, Layout, stretched
from core.networks.inference.prediction import BrainAge
from core.networks.recipe import Recipe
from core.networks.weights.storage import load_tensors

LAYER = "tissue maps"


def tissue_body(model: TissueModel, recipe: Recipe, age: float | None = None) -> Body:
    """Return a morphometric model as a forward pass: from slabs to maps, N × d × h × w × 2, and log probabilities.

    Args:
        model: The model.
        recipe: Its recipe.
        age: Of the people that the pass is for, in years; None if unknown.
    """
    shape = input_shape(recipe)[:-1]
    cells = [side // BLOCK for side in shape]

    def run(given: Floats) -> tuple[Floats, Floats]:
        maps = np.zeros((len(given), len(MAPPED), *cells), np.float32)
        for index, one in enumerate(given):
            tissues = tissues_of(np.asarray(one[..., 0], np.float32))
            if tissues is not None:  # what is no head stays empty, and is far from every head
                maps[index] = maps_of(tissues)
        return as_seen(model, maps, len(recipe.classes), age)

    return Body("numpy", run, Layout(LAYER, {LAYER: stretched(cells, shape)}))


def as_seen(model: TissueModel, maps: Floats, n_classes: int, age: float | None = None) -> tuple[Floats, Floats]:
    """Return maps, N × 2 × d × h × w, as a pass does: channels last, with log probabilities for people of an age."""
    ages = None if age is None else np.full(len(maps), age)
    return np.moveaxis(maps, 1, -1).copy(), model.logits(maps, n_classes, ages)


def as_maps(feature_maps: Floats) -> Floats:
    """Return feature maps, N × d × h × w × 2, as a model's maps, N × 2 × d × h × w."""
    return np.ascontiguousarray(np.moveaxis(feature_maps, -1, 1))


def brain_ages_of(model: TissueModel, feature_maps: Floats) -> list[BrainAge | None]:
    """Return the age that each brain looks, of N × d × h × w × 2 feature maps; None where that was not learned."""
    known, years = model.scores.of_age, model.brain_ages(as_maps(feature_maps))
    if known is None or years is None:
        return [None] * len(feature_maps)
    return [BrainAge(one, **asdict(known)) for one in years.tolist()]


def read_tissue_model(bundle: Bundle) -> TissueModel:
    """Read the model of a bundle.

    Raises:
        BundleError: Its weights are damaged, or do not fit its recipe.
    """
    file = Path(bundle.folder) / WEIGHTS_FILE
    try:
        model = TissueModel.of_tensors(load_tensors(file))
    except (WeightsError, KeyError, ValueError, IndexError) as error:
        raise BundleError(f"{bundle.name}: {WEIGHTS_FILE} is no morphometric model.") from error
    wanted: Sequence[int] = [len(MAPPED), *(side // BLOCK for side in input_shape(bundle.recipe)[:-1])]
    told = [*model.without_age.told, *(model.with_age.told if model.with_age is not None else ())]
    if list(model.scores.mask.shape) != list(wanted) or not all(0 <= one < len(bundle.recipe.classes) for one in told):
        raise BundleError(f"{bundle.name}: {WEIGHTS_FILE} does not fit the recipe on its card.")
    return model
