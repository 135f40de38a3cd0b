"""The average brain and its regions on the standard grid, from the tissue maps that come with nilearn.

The regions are divided by tissue and by planes at fixed distances from the anterior commissure (AC), so their names say
where they lie, not which gyrus they are; the medial temporal box contains the hippocampus and its surroundings.
"""

import functools
from collections.abc import Sequence

import nibabel
import numpy as np
from numpy.typing import NDArray

from core.scans.registration.head import AFFINE, ORIGIN_MM, SHAPE
from core.scans.registration.standard_space import matched_intensities, resampled
from core.scans.registration.template import ICBM_TO_TALAIRACH, packaged, template

TISSUE_FILES = {name: f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz" for name in ("gm", "wm")}
# mm to the right, to the front and up from the anterior commissure; boxes on both sides of the midline.
VENTRICLE_BOX = ((-26, 26), (-48, 38), (-4, 36))
MEDIAL_TEMPORAL_BOX = ((14, 36), (-42, -4), (-26, -2))  # |x|
DEEP_BOX = ((0, 34), (-34, 24), (-12, 22))  # |x|
FRONT_MM, BACK_MM = 0.0, -35.0
OUTSIDE = "outside the brain"
SIDES, PARTS = ("left", "right"), ("front", "middle", "back")
REGIONS = (
    *(OUTSIDE, "ventricles", "other fluid"),
    *(f"grey matter, {side} {part}" for side in SIDES for part in PARTS),
    *(f"white matter, {side} {part}" for side in SIDES for part in PARTS),
    *(f"{name}, {side}" for name in ("deep grey matter", "medial temporal") for side in SIDES),
)


@functools.cache
def average_brain() -> NDArray[np.float32]:
    """Return the ICBM average brain on the standard grid: float32, 176 × 208 × 176 along RAS+, in [0, 1], 0 outside."""
    ready = template()
    return resampled(ready.brain, _to_template(ready.affine))


@functools.cache
def average_intensities() -> NDArray[np.float32]:
    """Return the average brain with the intensities of the training slices, in [0, 255]."""
    return matched_intensities(average_brain())


@functools.cache
def regions() -> NDArray[np.uint8]:
    """Return the region of each voxel of the standard grid, as an index into `REGIONS`: uint8, 176 × 208 × 176."""
    brain = average_brain() > 0
    grey, white = (_tissue(name) for name in ("gm", "wm"))
    x, y, _ = _millimetres()
    fluid = brain & (np.maximum(grey, white) < 0.5)
    is_grey, is_white = brain & ~fluid & (grey >= white), brain & ~fluid & (white > grey)
    labels = np.zeros(SHAPE, np.uint8)
    labels[fluid] = REGIONS.index("other fluid")
    labels[fluid & within_box(VENTRICLE_BOX)] = REGIONS.index("ventricles")
    part = np.where(y > FRONT_MM, 0, np.where(y > BACK_MM, 1, 2))
    side = (x > 0).astype(int)
    for tissue, inside in (("grey matter", is_grey), ("white matter", is_white)):
        first = REGIONS.index(f"{tissue}, left front")
        labels[inside] = np.broadcast_to((first + 3 * side + part).astype(np.uint8), SHAPE)[inside]
    for name, box in (("deep grey matter", DEEP_BOX), ("medial temporal", MEDIAL_TEMPORAL_BOX)):
        inside = is_grey & within_box(box, mirrored=True)
        labels[inside] = np.broadcast_to((REGIONS.index(f"{name}, left") + side).astype(np.uint8), SHAPE)[inside]
    return labels


def network_slice(grid: NDArray[np.generic], height_mm: float) -> NDArray[np.generic]:
    """Cut an axial slice of the standard grid, the way round the networks expect it (the back of the head at the top).

    Args:
        grid: 176 × 208 × 176 along RAS+.
        height_mm: Height above the AC–PC line; the nearest whole slice is used.

    Returns:
        208 × 176.
    """
    index = int(np.clip(round(height_mm - ORIGIN_MM[2]), 0, SHAPE[2] - 1))
    return np.ascontiguousarray(grid[::-1, :, index].T)


def average_slice(height_mm: float) -> NDArray[np.float32]:
    """Return the average brain at a height as a network's slice: float32, 208 × 176, grey levels in [0, 255]."""
    return np.asarray(network_slice(average_intensities(), height_mm), np.float32)


def region_slice(height_mm: float) -> NDArray[np.uint8]:
    """Return the regions at a height as a network's slice: uint8, 208 × 176, indices into `REGIONS`."""
    return np.asarray(network_slice(regions(), height_mm), np.uint8)


def _tissue(name: str) -> NDArray[np.float32]:
    image = nibabel.load(packaged(TISSUE_FILES[name]))
    values = np.asarray(image.dataobj, np.float32)
    return resampled(values / values.max(), _to_template(np.asarray(image.affine, np.float64)))


def _to_template(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.inv(affine) @ np.linalg.inv(ICBM_TO_TALAIRACH) @ AFFINE, np.float64)


def within_box(box: Sequence[tuple[float, float]], *, mirrored: bool = False) -> NDArray[np.bool_]:
    """Return which voxels of the standard grid lie in a box: bool, 176 × 208 × 176.

    Args:
        box: Smallest and largest distance to the right, to the front and up, in mm.
        mirrored: Whether the distance from the midline counts instead of the distance to the right.
    """
    inside = np.ones((1, 1, 1), bool)
    for index, (along, (low, high)) in enumerate(zip(_millimetres(), box, strict=True)):
        where = np.abs(along) if mirrored and index == 0 else along
        inside = inside & (where >= low) & (where <= high)
    return inside


def _millimetres() -> tuple[NDArray[np.float64], ...]:
    axes = [np.arange(size) + origin for size, origin in zip(SHAPE, ORIGIN_MM, strict=True)]
    return tuple(np.meshgrid(*axes, indexing="ij", sparse=True))
