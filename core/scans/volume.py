"""From a stored array and its affine to a volume Scan: size, orientation, missing values, window.

Every volume comes out along RAS+ (nibabel's convention): whole axes are swapped or flipped, nothing is resampled, so
each value stays what was measured.
"""

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from core.errors import ChoiceNeeded, ScanError
from core.scans.contrast.acquisition import Acquisition
from core.scans.scan import Origin, Scan
from core.words import counted

MAX_VOXELS = 80_000_000  # 430 cubed: a 7-tesla head at 0.5 mm; 320 MB as float32
MIN_SIDE = 8  # a thinner volume cannot contain a head
MAX_SIDE = 4096
MAX_SERIES = 100_000
CHANNELS = 3  # of a picture in colour, kept as a series of three volumes
EQUAL_CHANNELS = "The three channels of this volume are equal; it was read as grey."
UNITS = {  # words for units of length, in mm
    **dict.fromkeys(("m", "metre", "meter", "metres", "meters"), (1000.0, "metres")),
    **dict.fromkeys(("cm", "centimetre", "centimeter"), (10.0, "centimetres")),
    **dict.fromkeys(("um", "µm", "micron", "microns", "micrometre", "micrometer"), (0.001, "microns")),
}
SAMPLED = 200_000  # voxels sampled to choose the window
DARKEST, BRIGHTEST = 1.0, 99.5  # percentiles shown as black and white
MR_SPACING_MM = (0.05, 50.0)
LARGEST = np.float32(1e30)  # a value beyond it stands for a missing one, and squares and differences would overflow


def check_volume(shape: tuple[int, ...]) -> None:
    """Reject a size that no scan has, before anything is decoded.

    Raises:
        ScanError: A side is not positive, or there are more voxels than any head scan has.
    """
    sides = " × ".join(str(side) for side in shape)
    if any(side < 1 for side in shape):
        raise ScanError(f"the volume claims to have {sides} voxels; every side must be positive.")
    total = 1
    for side in shape:
        total *= int(side)
    if total > MAX_VOXELS or max(shape) > MAX_SIDE:
        raise ScanError(
            f"the volume claims to have {sides} voxels; at most {MAX_VOXELS // 1_000_000} million are read."
        )


def series_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the three sides of a volume, and the number of volumes where there are several, as a header states them.

    Raises:
        ScanError: These are not 3 or 4 dimensions, or no scan is as large.
    """
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if not 3 <= len(shape) <= 4:
        raise ScanError(f"the header states {len(shape)} dimensions; 3 make a volume, 4 a series of volumes.")
    check_volume(shape[:3])
    if len(shape) == 4 and not 1 <= shape[3] <= MAX_SERIES:
        raise ScanError(f"the header states {shape[3]} volumes; 1 to {MAX_SERIES:,} are read.")
    return shape


def chosen_volume(shape: tuple[int, ...], choice: int | None) -> int:
    """Return which volume of a `series_shape` is read, counted from 1.

    Raises:
        ChoiceNeeded: There are several and none was chosen.
        ScanError: There is no such volume.
    """
    series = shape[3] if len(shape) == 4 else 1
    if series > 1 and choice is None:
        sides = "×".join(map(str, shape))
        raise ChoiceNeeded(
            f"the file holds a 4-D series ({sides}); choose one volume from 1 to {series}.",
            tuple(f"volume {number}" for number in range(1, series + 1)),
        )
    if (choice or 1) > series:
        raise ScanError(f"the file holds {counted(series, 'volume')}, so there is no volume {choice}.")
    return choice or 1


def in_mm(affine: NDArray[np.float64], mm: float, unit: str, notes: list[str]) -> NDArray[np.float64]:
    """Return a position matrix in mm whose file gives sizes in another unit, if that can be true of a scan.

    Args:
        affine: 4 × 4, from index to the file's unit.
        mm: How many mm that unit is.
        unit: What it is called.
        notes: Where it is said what was done.
    """
    stated, least, most = np.linalg.norm(affine[:3, :3], axis=0), *MR_SPACING_MM
    if mm == 1:
        return affine
    if not ((least <= stated * mm) & (stated * mm <= most)).all() and ((stated >= 0.2) & (stated <= 10)).all():
        notes.append(f"The file says that its sizes are in {unit}, which fits no head; they are taken as mm.")
        return affine
    notes.append(f"The file gives its sizes in {unit}; they were turned into mm.")
    return np.diag([mm, mm, mm, 1.0]) @ affine


def is_regular(affine: NDArray[np.float64]) -> bool:
    """Tell whether a position matrix, 4 × 4, can be one: numbers, and three directions that are not in one plane."""
    if not (np.abs(affine) <= LARGEST).all():  # false for NaN too
        return False
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    return bool((steps > 1e-4).all() and abs(np.linalg.det(affine[:3, :3] / steps)) > 1e-2)


def scan_from_volume(
    stored: NDArray[np.generic],
    affine: NDArray[np.float64],
    *,
    name: str,
    source: str,
    modality: str | None = None,
    window: tuple[float, float] | None = None,
    warnings: tuple[str, ...] = (),
    acquisition: Acquisition | None = None,
    origin: Origin | None = None,
) -> Scan:
    """Make a Scan from a volume in any orientation.

    Args:
        stored: I × J × K, any real dtype, as stored in the file.
        affine: float64, 4 × 4, from index to mm, RAS+; invertible.
        name: Generated from the content.
        source: Format and depth in words.
        modality: "MR", "CT" or similar.
        window: The file's own black and white; chosen from the values if not given.
        warnings: What the reader noticed.
        acquisition: How it was made.
        origin: Whose it is.

    Returns:
        The scan; an image rather than a volume if one side is a single voxel.

    Raises:
        ScanError: Not one value is finite, or the volume is too thin.
    """
    turning = io_orientation(affine)
    turned = apply_orientation(stored, turning)
    straight = affine @ inv_ornt_aff(turning, stored.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        voxels = np.asarray(turned, np.float32)
        voxels, noticed = _finite(voxels) if stored.dtype.kind == "f" else (voxels, [])
    spacing = tuple(float(step) for step in np.linalg.norm(straight[:3, :3], axis=0))
    notes = [*warnings, *noticed]
    if not all(MR_SPACING_MM[0] <= step <= MR_SPACING_MM[1] for step in spacing):
        steps = " × ".join(f"{step:.3g}" for step in spacing)
        notes.append(f"Voxels of {steps} mm are unusual for a head scan; sizes may be wrong.")
    shown = window or window_of(voxels)
    if shown[1] - shown[0] <= 1 and voxels.min() == voxels.max():  # a wider window needs two different values
        notes.append("Every voxel has the same value: there is nothing to see in this volume.")
    if min(voxels.shape) == 1:
        image, steps_mm, codes = _single_slice(voxels, spacing)
        return Scan(
            voxels=image,
            window=shown,
            name=name,
            source=source,
            spacing_mm=steps_mm,
            orientation=codes,
            modality=modality,
            warnings=tuple(notes),
            acquisition=acquisition,
            origin=origin,
        )
    if min(voxels.shape) < MIN_SIDE:
        sides = " × ".join(str(side) for side in voxels.shape)
        raise ScanError(f"the volume has {sides} voxels; each side must have at least {MIN_SIDE}.")
    return Scan(
        voxels=voxels,
        window=shown,
        name=name,
        source=source,
        spacing_mm=spacing,
        orientation="RAS",
        modality=modality,
        affine=straight,
        warnings=tuple(notes),
        acquisition=acquisition,
        origin=origin,
    )


def window_of(voxels: NDArray[np.float32]) -> tuple[float, float]:
    """Choose black and white for any values: the 1st and 99.5th percentile, or the whole range if those are equal."""
    step = max(1, round((voxels.size / SAMPLED) ** (1 / max(voxels.ndim, 1))))
    sample = voxels[(slice(None, None, step),) * voxels.ndim]
    black, white = (float(value) for value in np.percentile(sample, [DARKEST, BRIGHTEST]))
    if black >= white:
        black, white = float(voxels.min()), float(voxels.max())
    return black, white if white > black else black + 1.0


def _finite(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[str]]:
    if max(values.max(), -values.min()) <= LARGEST:  # NaN is not
        return values, []
    good = np.abs(values) <= LARGEST
    if not good.any():
        raise ScanError("the volume holds no numbers: every voxel is NaN, infinite or beyond 1e30.")
    missing = 1 - good.mean()
    return np.where(good, values, np.float32(0)), [
        f"{100 * missing:.2f} % of the voxels were NaN, infinite or beyond 1e30; they were set to 0."
    ]


def _single_slice(
    voxels: NDArray[np.float32], spacing: tuple[float, ...]
) -> tuple[NDArray[np.float32], tuple[float, ...], str]:
    """Orient one slice as radiologists view it: front (or crown) at the top, the patient's right on the left."""
    thin = int(np.argmin(voxels.shape))
    across, down = [axis for axis in range(3) if axis != thin]
    image = np.take(voxels, 0, axis=thin).T
    image = image[::-1] if thin == 0 else image[::-1, ::-1]
    codes = {0: "IA", 1: "IL", 2: "PL"}[thin]
    return np.ascontiguousarray(image), (spacing[down], spacing[across]), codes
