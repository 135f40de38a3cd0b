"""Volumes in standard space, made once for each scan and kept for a while; they cost half a minute each."""

import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from core.cohorts.preprocess import cube_of
from core.errors import StageLensError
from core.networks.recipe import Recipe
from core.networks.subset import volume_as_seen
from core.scans import Scan
from core.scans.registration.standard_space import ORIGIN_MM, SHAPE, StandardHead, axial_slices, to_standard_space

KEPT = 4  # volumes in memory, 80 MB each
_kept: OrderedDict[str, StandardHead] = OrderedDict()
_looking, _making = threading.Lock(), threading.Lock()


def standard_head(scan: Scan) -> StandardHead:
    """Return a volume in standard space; one volume is registered at a time, and what is kept is there at once.

    Raises:
        ScanError: The scan is no volume.
    """
    kept = _look(scan.name)
    if kept is not None:
        return kept
    with _making:
        kept = _look(scan.name) or to_standard_space(scan)  # somebody else may have made it meanwhile
        with _looking:
            _kept[scan.name] = kept
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
        return kept


def _look(name: str) -> StandardHead | None:
    with _looking:
        if name in _kept:
            _kept.move_to_end(name)
        return _kept.get(name)


def whole_of(head: StandardHead, recipe: Recipe) -> NDArray[np.float32]:
    """Return what a 3D network sees of a head: the slices its recipe asks for, or the whole head as a cube.

    Returns:
        Grey in [0, 255], D × H × W.

    Raises:
        NoHead: The head did not come to lie in standard space.
    """
    if recipe.slices is None:
        return volume_as_seen(cube_of(head)[0])
    return np.stack([scan.grey() for scan in axial_slices(head, heights_of(recipe))])


def heights_of(recipe: Recipe) -> NDArray[np.float64]:
    """Return the heights (mm) of the slices a network reads of a volume.

    Raises:
        StageLensError: The network knows single pictures only.
    """
    if recipe.slices is None:
        raise StageLensError(
            f"{recipe.name} knows single pictures, not volumes; give it one slice, or choose another network."
        )
    return np.arange(round(recipe.slices.lowest_mm), round(recipe.slices.highest_mm) + 1, dtype=np.float64)


def heights_of_whole(recipe: Recipe, depth: int) -> NDArray[np.float64]:
    """Return the heights (mm) of the slices of a volume as a 3D network sees it, from the lowest up."""
    if recipe.slices is not None:
        return heights_of(recipe)
    step = max(SHAPE) / depth
    return np.asarray(ORIGIN_MM[2] + (SHAPE[2] - 1) / 2 + step * (np.arange(depth) - (depth - 1) / 2))


def slices_of_whole(name: str, volume: NDArray[np.float32], heights_mm: NDArray[np.float64]) -> tuple[Scan, ...]:
    """Return the slices of a volume as a 3D network sees it (D × H × W, grey in [0, 255]), for looking at."""
    return tuple(
        Scan(one, (0.0, 255.0), f"{name}-z{round(height):+03d}", "slice of the volume", orientation="AL")
        for one, height in zip(volume, heights_mm, strict=True)
    )
