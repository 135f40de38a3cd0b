"""Where the regions of the average brain lie in a network's input."""

import numpy as np
from numpy.typing import NDArray

from core.errors import StageLensError
from core.explain.explanation import ExplanationBatch, Floats
from core.explain.placing import drawn_at
from core.networks.architectures.geometry import nearest_fitted
from core.networks.inference.engine import Centres, stretched


def regions_at_input(batch: ExplanationBatch, index: int) -> NDArray[np.uint8]:
    """Return the region of each pixel of an input: uint8, (depth ×) height × width, indices into
    `core.scans.registration.atlas.REGIONS`.

    Raises:
        StageLensError: The network does not read slices in standard space, or the slice's height is not known.
    """
    recipe = batch.predictor.recipe
    if recipe.slices is None:
        raise StageLensError(
            "regions are known in standard space only, which this network does not read; use occlusion instead."
        )
    from core.scans.registration.atlas import region_slice

    size = (recipe.height, recipe.width)
    if recipe.depth is not None:
        heights = np.linspace(recipe.slices.lowest_mm, recipe.slices.highest_mm, recipe.depth)
        return np.stack([nearest_fitted(region_slice(height), size) for height in heights])
    height = batch.heights_mm[index]
    if height is None:
        raise StageLensError("regions need the height of the slice above the AC–PC line in mm; give it, or a volume.")
    return nearest_fitted(region_slice(height), size)


def evidence_by_region(
    batch: ExplanationBatch, index: int, heatmap: Floats, centres: Centres
) -> dict[str, dict[str, float]] | None:
    """Return the fractions of the positive evidence and of the picture that each region has, largest evidence first.

    Args:
        batch: The scans explained.
        index: Index of the scan in the batch.
        heatmap: Its heatmap, in the method's own resolution.
        centres: Where its cells lie in the network's input.

    Returns:
        Region to "evidence" and "size"; None if regions are not known or there is no positive evidence.
    """
    recipe = batch.predictor.recipe
    positive = np.maximum(heatmap, 0)
    if recipe.slices is None or (recipe.depth is None and batch.heights_mm[index] is None) or not positive.any():
        return None
    from core.scans.registration.atlas import REGIONS

    labels = regions_at_input(batch, index)
    drawn = drawn_at(positive[None], centres, stretched(labels.shape, labels.shape))[0]
    sums = np.bincount(labels.ravel(), drawn.ravel().astype(np.float64), len(REGIONS))
    sizes = np.bincount(labels.ravel(), minlength=len(REGIONS))
    order = [label for label in np.argsort(-sums, kind="stable") if sizes[label]]
    return {
        REGIONS[label]: {"evidence": float(sums[label] / sums.sum()), "size": float(sizes[label] / sizes.sum())}
        for label in order
    }
