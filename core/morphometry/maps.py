"""What a morphometric model sees of a slab: smooth maps of fluid and of grey matter, in blocks of 4 mm."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.morphometry.tissue import FLUID, GREY, Tissues

BLOCK = 4  # voxels of 1 mm a side
SMOOTH_MM = 3.0  # standard deviation
MAPPED = (FLUID, GREY)

Floats = NDArray[np.float32]


def maps_of(tissues: Tissues) -> Floats:
    """Return the maps of a slab of 1 mm voxels: float32, 2 × D/4 × H/4 × W/4, fluid and grey matter, 0 to 1."""
    return _in_blocks(tissues.fractions[list(MAPPED)])


def inside_of(tissues: Tissues) -> Floats:
    """Return how much of each block lies within the head: float32, D/4 × H/4 × W/4."""
    return np.asarray(_in_blocks(tissues.inside[None].astype(np.float32))[0])


def _in_blocks(maps: Floats) -> Floats:
    smooth = ndimage.gaussian_filter(maps, (0, SMOOTH_MM, SMOOTH_MM, SMOOTH_MM), truncate=3.0)
    depth, height, width = (size // BLOCK for size in maps.shape[1:])
    whole = smooth[:, : depth * BLOCK, : height * BLOCK, : width * BLOCK]
    blocks = whole.reshape(len(maps), depth, BLOCK, height, BLOCK, width, BLOCK)
    return np.asarray(blocks.mean(axis=(2, 4, 6)), np.float32)
