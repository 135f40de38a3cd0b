"""Fewer voxels for what needs no more: a head of forty million is aligned as well from an eighth of them."""

import itertools

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]
MOST_VOXELS = 20_000_000  # a head of 256 × 256 × 256 has fewer
FINE_MM = 1.0  # voxels that are smaller may be averaged


def thinned(voxels: NDArray[np.float32], affine: Affine) -> tuple[NDArray[np.float32], Affine]:
    """Average neighbouring voxels of a very large volume along the axes on which they are smaller than 1 mm.

    It needs little more memory than what it returns.

    Args:
        voxels: float32, X × Y × Z.
        affine: float64, 4 × 4, voxel index to mm, RAS+.

    Returns:
        The same volume with fewer voxels, or as it is where it has few, and its affine.
    """
    while voxels.size > MOST_VOXELS:
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        steps = [2 if step < FINE_MM and side >= 2 else 1 for step, side in zip(spacing, voxels.shape, strict=True)]
        if max(steps) == 1:
            break
        sides = [side // step for side, step in zip(voxels.shape, steps, strict=True)]
        total = np.zeros(sides, np.float32)
        for first in itertools.product(*map(range, steps)):
            cut = tuple(slice(at, at + side * step, step) for at, side, step in zip(first, sides, steps, strict=True))
            total += voxels[cut] / np.float32(np.prod(steps))
        wider = np.diag([*map(float, steps), 1.0])
        wider[:3, 3] = (np.array(steps) - 1) / 2
        voxels, affine = total, affine @ wider
    return voxels, affine
