"""Maps of cells drawn in pixels: each cell at the centre of what it sees, linear in between."""

import numpy as np
from numpy.typing import NDArray

from core.networks.inference.engine import Centres, stretched

Floats = NDArray[np.float32]


def drawn_at(maps: Floats, centres: Centres, places: Centres) -> Floats:
    """Return maps at other places than their cells': linear between cells, and beyond the outermost like these.

    Args:
        maps: N × h × w, or N × d × h × w.
        centres: Where the cells lie along each axis, in any unit, increasing.
        places: Where values are wanted along each axis, in the same unit.

    Returns:
        float32, N × the number of places along each axis; values that were not negative stay so.
    """
    drawn = maps
    for axis, (cells, wanted) in enumerate(zip(centres, places, strict=True), start=1):
        if np.array_equal(cells, wanted):
            continue
        weights = np.stack([np.interp(wanted, cells, one) for one in np.eye(len(cells))], axis=1)
        drawn = np.moveaxis(np.moveaxis(drawn, axis, -1) @ weights.T.astype(np.float32), -1, axis)
    return np.ascontiguousarray(drawn, np.float32)


def resized(maps: Floats, shape: tuple[int, ...]) -> Floats:
    """Stretch maps, N × h × w or N × d × h × w, over an image of a shape, linearly."""
    return drawn_at(maps, stretched(maps.shape[1:], shape), stretched(shape, shape))
