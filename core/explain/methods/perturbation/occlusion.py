"""Occlusion: how far the logit drops when a patch of the scan is covered.

Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section 4.2. Every pixel gets the
mean drop over the patches that covered it.
"""

from itertools import product
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core.explain.baselines import baseline_of
from core.explain.explanation import Attribution, Explainer, ExplanationBatch, Floats
from core.explain.masking import masked_scores


def occlusion(
    batch: ExplanationBatch,
    *,
    patch_fraction: Annotated[float, Field(gt=0, le=1)] = 0.2,
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.5,
    baseline: Literal["black", "blurred", "healthy"] = "black",
) -> Attribution:
    """Compute occlusion maps.

    Args:
        batch: The scans to explain.
        patch_fraction: Side of the patch, as a fraction of each side of the image.
        overlap: Fraction of its side by which a patch overlaps the next.
        baseline: What the patch is covered with.
    """
    shape = batch.inputs.shape[1:-1]
    corners, sides = patches(shape, patch_fraction, overlap)
    maps = []
    for index in range(len(batch.classes)):

        def masks(first: int, last: int) -> Floats:
            seen = np.ones((last - first, *shape), np.float32)
            for mask, corner in zip(seen, corners[first:last], strict=True):
                mask[_window(corner, sides)] = 0
            return seen

        instead = None if baseline == "black" else baseline_of(batch, index, baseline)
        scores = masked_scores(batch, index, len(corners), masks, instead=instead)
        drops = batch.logits[index, batch.classes[index]] - scores
        total, covered = np.zeros(shape), np.zeros(shape)
        for corner, drop in zip(corners, drops, strict=True):
            total[_window(corner, sides)] += drop
            covered[_window(corner, sides)] += 1
        maps.append(total / covered)
    settings = {"of": "logit", "patches": len(corners), "patch": list(sides)}
    return Attribution(np.stack(maps).astype(np.float32), settings)


def patches(shape: tuple[int, ...], fraction: float, overlap: float) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """Return the corners of patches that cover an image, and their sides, in pixels."""
    sides = tuple(max(1, round(side * fraction)) for side in shape)
    starts = []
    for side, whole in zip(sides, shape, strict=True):
        step = max(1, round(side * (1 - overlap)))
        starts.append(sorted({*range(0, whole - side + 1, step), whole - side}))
    return list(product(*starts)), sides


def _window(corner: tuple[int, ...], sides: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(start, start + side) for start, side in zip(corner, sides, strict=True))


EXPLAINER = Explainer(
    name="occlusion",
    priority=200,
    title="Occlusion",
    source="Zeiler and Fergus, ECCV 2014",
    compute=occlusion,
    shows="How far the logit of {class_name} drops when a patch is covered with the {baseline} baseline.",
    hides="A covered scan is unlike any the network was trained on, and evidence that appears twice is missed, since "
    "only one of the two is covered at a time.",
    signed=True,
    cost="one forward pass per patch",
)
