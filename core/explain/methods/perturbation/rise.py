"""RISE: the mean of random masks, each weighted by the probability of the class under it.

Petsiuk, Das and Saenko, RISE, BMVC 2018, equation 6 and section 3.2: coarse random grids, enlarged linearly and
shifted, with the probability of the class as the weight:

    S = Σ_i f_c(x ⊙ M_i) M_i / Σ_i M_i

The paper divides by the expected sum of the masks, N E[M]; here it is their actual sum: the same in the limit, but a
network that ignores the scan gives a uniform map instead of the masks' own texture.
"""

from typing import Annotated

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from core.explain.explanation import Attribution, Explainer, ExplanationBatch, Floats
from core.explain.masking import AT_ONCE, masked_scores


def rise(
    batch: ExplanationBatch,
    *,
    masks: Annotated[int, Field(ge=1, le=100_000)] = 1000,
    cells: Annotated[int, Field(ge=2, le=64)] = 7,
    kept: Annotated[float, Field(gt=0, lt=1)] = 0.5,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Attribution:
    """Compute RISE maps.

    Args:
        batch: The scans to explain.
        masks: Number of random masks.
        cells: Cells of the coarse grid along each side.
        kept: Probability that a cell is visible.
        seed: Seed for the masks.
    """
    with threadpool_limits(1, "blas"):  # its other threads would keep spinning while the network runs
        maps = [
            _heatmap(batch, index, masks=masks, cells=cells, kept=kept, seed=seed)
            for index in range(len(batch.classes))
        ]
    return Attribution(np.stack(maps), {"of": "probability"})


def _heatmap(batch: ExplanationBatch, index: int, *, masks: int, cells: int, kept: float, seed: int) -> Floats:
    shape = batch.inputs.shape[1:-1]
    total, seen = np.zeros(shape), np.zeros(shape)
    for start in range(0, masks, AT_ONCE):
        rng = np.random.default_rng([seed, index, start])
        some = random_masks(min(AT_ONCE, masks - start), shape, cells=cells, kept=kept, rng=rng)

        def visible(first: int, last: int, some: Floats = some) -> Floats:
            return some[first:last]

        scores = masked_scores(batch, index, len(some), visible, as_probability=True)
        total += np.tensordot(scores.astype(np.float32), some, axes=1)
        seen += some.sum(axis=0)
    return np.asarray(total / np.maximum(seen, 1e-9), np.float32)


def random_masks(count: int, shape: tuple[int, ...], *, cells: int, kept: float, rng: np.random.Generator) -> Floats:
    """Draw masks in [0, 1], count × shape: coarse grids, enlarged linearly and shifted by less than one cell."""
    drawn = (rng.random((count, *(cells + 1,) * len(shape))) < kept).astype(np.float32)
    steps = [-(-side // cells) for side in shape]
    corners = rng.integers(steps, size=(count, len(steps)))
    for side, step, corner in zip(shape, steps, corners.T, strict=True):  # one axis at a time
        rows = corner[:, None] + np.arange(side)
        flat = enlarging(cells + 1, step)[rows] @ drawn.reshape(count, cells + 1, -1)
        drawn = np.moveaxis(flat.reshape(count, side, *drawn.shape[2:]), 1, -1)
    return np.ascontiguousarray(drawn)


def enlarging(cells: int, step: int) -> Floats:
    """Return the matrix, (cells · step) × cells, that makes `step` values from each by linear interpolation."""
    where = (np.arange(cells * step) + 0.5) / step - 0.5
    weights = 1 - np.abs(where.clip(0, cells - 1)[:, None] - np.arange(cells))
    return np.asarray(np.maximum(weights, 0), np.float32)


EXPLAINER = Explainer(
    name="rise",
    priority=220,
    title="RISE",
    source="Petsiuk et al., BMVC 2018",
    compute=rise,
    shows="Where keeping the scan visible keeps the probability of {class_name} high, over {masks} random masks.",
    hides="It is an estimate from random masks: part of its texture is random, and it is nearly uniform where the "
    "network is certain.",
    cost="one forward pass per mask",
)
