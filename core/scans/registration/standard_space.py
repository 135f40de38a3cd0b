"""From a T1 head scan to the space in which the networks were trained, with a verdict on how well that went.

The steps: affine registration to the ICBM template → the published ICBM-to-Talairach matrix → a grid of 176 × 208 × 176
voxels of 1 mm → the template's brain mask → N4 bias correction → the intensities of the training slices.

N4: Tustison et al., IEEE Transactions on Medical Imaging 29:1310, 2010. Intensities: piecewise linear matching of
percentiles (Nyúl and Udupa, Magnetic Resonance in Medicine 42:1072, 1999).
"""

import functools
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, binary_dilation

from core.errors import NoHead, ScanError
from core.scans.contrast.file_says import doubts_of_file, why_refused_by_file
from core.scans.registration.affine import ALIKE, register_to_template
from core.scans.registration.head import AFFINE, ORIGIN_MM, SHAPE, Quality, StandardHead
from core.scans.registration.quality import FAILED, judge, similarity_to_template
from core.scans.registration.template import ICBM_TO_TALAIRACH, template
from core.scans.registration.thinning import thinned
from core.scans.registration.tissues import Tissues, tissues_of
from core.scans.scan import Scan

MASK_RIM = 2  # voxels by which the training slices' mask is wider than the template's (overlap 0.94)
TRAINED_HEIGHTS_MM = (-3.0, 28.0)  # where the training slices lie, and so where intensities are compared
PERCENTILES = (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99)
# Mean and standard deviation over the 200 people of the Alzheimer set (benchmarks/standard_space.py prints them).
TRAINING_INTENSITIES = (21.5, 37.6, 52.2, 81.5, 107.1, 128.7, 148.1, 168.1, 188.6, 206.4, 220.4, 227.6, 238.0)
INTENSITY_SPREAD = (2.4, 8.2, 14.9, 18.3, 15.9, 12.8, 12.0, 13.0, 13.6, 12.1, 8.9, 7.2, 5.3)
SAME_INTENSITIES = 3.0  # standard deviations within which intensities already match the training slices
BIAS_SHRINK, BIAS_ITERATIONS = 4, (30, 20, 10)
GRID_TOLERANCE_MM = 1.0
ALREADY_ALIKE = 0.25  # correlation with the template; the 200 people's slices have 0.34 to 0.70
HEAD_MM = (50.0, 2000.0)  # the longest side of a volume that may hold a head
FARTHEST_MM = 1e6  # from the origin; beyond it positions lose their millimetres
UNCHANGED = (1e-9, 1e9)  # of the largest value: beyond these it is scaled, since its squares would overflow or vanish
LOOKS = {
    "T2": "This looks like a T2 scan: fluid is {fluid:.2f} times as bright as grey matter.",
    "FLAIR": "This looks like a FLAIR: white matter is only {white:.2f} times as bright as grey matter, fluid is dark.",
    "PD": "This looks like a proton-density scan: white matter is {white:.2f} times, fluid {fluid:.2f} times as bright "
    "as grey matter.",
}
NOT_T1 = "The networks here read plain T1 scans, so no stage is given."
ENHANCED = (
    "Much of the brain is far brighter than white matter, as vessels are after a contrast agent; the network knows "
    "plain T1 scans only, and its answer may be wrong."
)
FLIPS = {"": (1, 1, 1), "front and back": (1, -1, 1), "top and bottom": (1, 1, -1), "both": (1, -1, -1)}
Affine = NDArray[np.float64]


def to_standard_space(scan: Scan, *, bias_correction: bool = True) -> StandardHead:
    """Bring a T1 head scan into standard space.

    Args:
        scan: A volume of a head, or of a brain alone, in any position.
        bias_correction: Whether to remove a smooth change of brightness; never done to a scan already in this space.

    Returns:
        The head; check `quality.verdict` before using it.

    Raises:
        ScanError: The scan is not a volume.
        NoHead: All its voxels are alike, it has a size or a position that no head has, or its file or its values say
            that it is no plain T1 scan of a head.
    """
    if not scan.is_volume or scan.affine is None:
        raise ScanError("a single slice cannot be aligned to the standard brain; give the whole volume.")
    refused = why_refused_by_file(scan)
    if refused:
        raise NoHead(refused)
    _check_place(scan.voxels.shape, scan.affine)
    scan = replace(scan, voxels=_within_range(scan.voxels))
    assert scan.affine is not None  # noqa: S101 - checked above
    aligned = _already_aligned(scan)
    registered = aligned is None
    coarse, affine = thinned(*((scan.voxels, scan.affine) if aligned is None else (aligned.voxels, aligned.affine)))
    if aligned is None:
        found = register_to_template(*_right_angled(coarse, affine))
        aligned = _Aligned(scan.voxels, scan.affine, found.to_scan @ np.linalg.inv(ICBM_TO_TALAIRACH))
    moved = resampled(aligned.voxels, np.linalg.inv(aligned.affine) @ aligned.to_scan @ AFFINE)
    to_template = aligned.to_scan @ ICBM_TO_TALAIRACH
    quality = judge(coarse, affine, to_template, registered=registered)
    quality, looks = _judged_by_tissues(quality, tissues_of(coarse, affine, to_template))
    brain = np.where(brain_mask(), moved, np.float32(0)) if registered else moved
    if bias_correction and registered and quality.verdict != "failed":
        brain = _without_bias(brain)
    head = Scan(
        voxels=matched_intensities(brain),
        window=(0.0, 255.0),
        name=scan.name,
        source=scan.source,
        spacing_mm=(1.0, 1.0, 1.0),
        orientation="RAS",
        modality=scan.modality,
        affine=AFFINE,
        warnings=(*scan.warnings, *doubts_of_file(scan), *aligned.notes, *quality.sentences, *looks),
    )
    before = resampled(scan.voxels, np.linalg.inv(scan.affine) @ _centred_on(scan) @ AFFINE)
    return StandardHead(
        scan=head,
        before=before,
        unmasked=moved,
        to_scan=aligned.to_scan,
        registered=registered,
        quality=quality,
    )


def _judged_by_tissues(quality: Quality, tissues: Tissues) -> tuple[Quality, tuple[str, ...]]:
    """Return the quality of an aligned scan, failed if its tissues are not those of T1, and what else to say."""
    kind = tissues.kind
    if quality.verdict == "failed" or kind in {"", "T1"}:
        return quality, ()
    if kind == "T1 with a contrast agent":
        return quality, (ENHANCED,)
    said = LOOKS[kind].format(white=tissues.white_over_grey, fluid=tissues.fluid_over_grey)
    if quality.similarity < ALIKE:  # tissues are compared where they may not be
        return replace(quality, verdict="failed", sentences=(f"{FAILED} {said}",)), ()
    return replace(quality, verdict="failed", sentences=(f"{said} {NOT_T1}",)), ()


def axial_slices(head: StandardHead, heights_mm: NDArray[np.float64]) -> list[Scan]:
    """Cut the axial slices that a network expects: back of the head at the top, the patient's right on the left.

    Args:
        head: A head in standard space.
        heights_mm: Heights above the AC–PC line, in Talairach mm; the nearest whole slice is used.

    Returns:
        One scan per height, 208 × 176 pixels of 1 mm, intensities in [0, 255].

    Raises:
        NoHead: The head could not be aligned to this space.
    """
    if head.quality.verdict == "failed":
        raise NoHead(head.quality.sentences[0])
    slices = []
    for height in heights_mm:
        index = round(float(height) - ORIGIN_MM[2])
        slices.append(
            Scan(
                voxels=np.ascontiguousarray(head.scan.voxels[::-1, :, index].T),
                window=(0.0, 255.0),
                name=f"{head.scan.name}-z{round(float(height)):+03d}",
                source=f"{head.scan.source}, in standard space",
                spacing_mm=(1.0, 1.0),
                orientation="AL",
                modality=head.scan.modality,
            )
        )
    return slices


@functools.cache
def brain_mask() -> NDArray[np.bool_]:
    """Return the template's brain mask on the standard grid, a rim wider; bool, 176 × 208 × 176."""
    ready = template()
    index = np.linalg.inv(ready.affine) @ np.linalg.inv(ICBM_TO_TALAIRACH) @ AFFINE
    return np.asarray(binary_dilation(resampled(ready.mask.astype(np.float32), index) > 0.5, iterations=MASK_RIM))


def resampled(voxels: NDArray[np.float32], index: Affine, shape: tuple[int, int, int] = SHAPE) -> NDArray[np.float32]:
    """Resample a volume linearly; 0 outside.

    Args:
        voxels: float32, X × Y × Z.
        index: float64, 4 × 4, from the new grid's index to that of `voxels`.
        shape: Of the new grid.
    """
    return np.asarray(affine_transform(voxels, index[:3, :3], index[:3, 3], output_shape=shape, order=1), np.float32)


def intensities_of(brain: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the percentiles of a brain on the standard grid by which intensities are matched; NaN without a brain."""
    low, high = (round(height - ORIGIN_MM[2]) for height in TRAINED_HEIGHTS_MM)
    part = brain[..., low : high + 1]
    inside = part[brain_mask()[..., low : high + 1] & (part > 0)]
    if inside.size == 0:
        return np.full(len(PERCENTILES), np.nan)
    return np.asarray(np.percentile(inside, PERCENTILES), np.float64)


def matched_intensities(brain: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a brain with the intensities of the training slices; unchanged if it already has them."""
    landmarks = intensities_of(brain)
    wanted = np.array(TRAINING_INTENSITIES)
    if np.isnan(landmarks).any():
        return np.zeros_like(brain)
    if (np.abs(landmarks - wanted) <= SAME_INTENSITIES * np.array(INTENSITY_SPREAD)).all():
        return np.clip(brain, 0, 255)
    rising = np.maximum.accumulate(landmarks + np.arange(len(landmarks)) * 1e-6 * max(abs(landmarks[-1]), 1e-6))
    slope = (wanted[-1] - wanted[-2]) / (rising[-1] - rising[-2])
    top = rising[-1] + (255 - wanted[-1]) / slope
    curve = np.interp(brain, [0, *rising, max(top, rising[-1] * (1 + 1e-6))], [0, *wanted, 255])
    return np.where(brain > 0, np.clip(curve, 0, 255), 0).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Aligned:
    """A scan's voxels with their affine, their transform from standard space, and notes for the user."""

    voxels: NDArray[np.float32]
    affine: Affine
    to_scan: Affine
    notes: tuple[str, ...] = ()


def _check_place(shape: tuple[int, ...], affine: Affine) -> None:
    """See that a volume is as large as a head, and near enough to the origin to be placed."""
    sides = np.linalg.norm(affine[:3, :3], axis=0) * shape
    if not HEAD_MM[0] <= sides.max() <= HEAD_MM[1]:
        said = " × ".join(f"{side:.3g}" for side in sides)
        raise NoHead(f"this volume measures {said} mm, as no head does; check the size of voxels in its header.")
    away = float(np.abs(affine[:3, 3]).max())
    if away > FARTHEST_MM:
        raise NoHead(f"this volume lies {away:.3g} mm from the origin; check the position in its header.")


def _within_range(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return voxels of extreme size as others by a power of two, which keeps their digits; others as they are."""
    largest = float(max(voxels.max(), -voxels.min()))
    if largest == 0 or UNCHANGED[0] <= largest <= UNCHANGED[1]:
        return voxels
    return np.ldexp(voxels, -int(np.frexp(largest)[1]))


def _already_aligned(scan: Scan) -> _Aligned | None:
    """Recognise a brain that already lies on the standard grid, at any resolution and with any number of slices."""
    assert scan.affine is not None  # noqa: S101 - checked by to_standard_space
    if not _is_brain_only(scan.voxels):
        return None
    candidates = []
    if _spans_grid(scan.voxels.shape, scan.affine):
        candidates.append(_Aligned(scan.voxels, scan.affine, np.eye(4)))
    elif scan.voxels.shape == SHAPE and np.allclose(scan.spacing_mm or (), 1.0, atol=0.01):
        for name, flip in FLIPS.items():
            note = (f"The file had the head the wrong way round ({name}); it was flipped.",) if name else ()
            flipped = np.ascontiguousarray(scan.voxels[tuple(slice(None, None, step) for step in flip)])
            candidates.append(_Aligned(flipped, AFFINE, np.eye(4), note))
    similarities = [
        similarity_to_template(*thinned(item.voxels, item.affine), ICBM_TO_TALAIRACH) for item in candidates
    ]
    if not candidates or max(similarities) < ALREADY_ALIKE:
        return None
    return candidates[int(np.argmax(similarities))]


def _spans_grid(shape: tuple[int, ...], affine: Affine) -> bool:
    """Tell whether a volume has the edges of the standard grid from left to right and from back to front."""
    if not np.allclose(affine[:3, :3], np.diag(np.diag(affine[:3, :3])), atol=1e-3):
        return False
    steps = np.diag(affine)[:3]
    first, last = affine[:3, 3] - steps / 2, affine[:3, 3] + steps * (np.array(shape) - 0.5)
    grid_first, grid_last = np.array(ORIGIN_MM) - 0.5, np.array(ORIGIN_MM) + np.array(SHAPE) - 0.5
    across = np.abs([first - grid_first, last - grid_last])[:, :2].max() < GRID_TOLERANCE_MM
    return bool(across and first[2] >= grid_first[2] - 1 and last[2] <= grid_last[2] + 1)


def _is_brain_only(voxels: NDArray[np.float32]) -> bool:
    """Recognise a skull-stripped scan: around the brain it has one constant value, not the noise of air."""
    sample = voxels[::2, ::2, ::2]
    return bool((sample == sample.flat[0]).mean() > 0.3)


def _right_angled(voxels: NDArray[np.float32], affine: Affine) -> tuple[NDArray[np.float32], Affine]:
    """Return a volume whose axes are at right angles, resampling one that was sheared by a tilted gantry."""
    spacing: NDArray[np.float64] = np.linalg.norm(affine[:3, :3], axis=0).astype(np.float64)
    directions = affine[:3, :3] / spacing
    if np.abs(directions.T @ directions - np.eye(3)).max() < 1e-3:
        return voxels, affine
    corners = np.array(np.meshgrid(*[(0, side - 1) for side in voxels.shape], indexing="ij")).reshape(3, -1)
    points = affine[:3, :3] @ corners + affine[:3, 3:]
    straight = np.diag([*spacing, 1.0])
    straight[:3, 3] = points.min(axis=1)
    sides = np.ceil((points.max(axis=1) - points.min(axis=1)) / spacing).astype(int) + 1
    shape = (int(sides[0]), int(sides[1]), int(sides[2]))
    index = np.asarray(np.linalg.inv(affine) @ straight, np.float64)
    return resampled(voxels, index, shape), np.asarray(straight, np.float64)


def _centred_on(scan: Scan) -> Affine:
    """Return the shift that brings a scan's centre to the grid's, for the picture before registration."""
    assert scan.affine is not None  # noqa: S101 - checked by to_standard_space
    middle = scan.affine[:3, :3] @ ((np.array(scan.voxels.shape) - 1) / 2) + scan.affine[:3, 3]
    shift = np.eye(4)
    shift[:3, 3] = middle - (np.array(ORIGIN_MM) + (np.array(SHAPE) - 1) / 2)
    return shift


def _without_bias(brain: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide by the smooth bias field that N4 estimates on a coarse copy of the brain."""
    mask = brain_mask() & (brain > 0)
    if not mask.any():
        return brain
    image, inside = _itk(brain), _itk(mask.astype(np.uint8))
    engine = sitk.N4BiasFieldCorrectionImageFilter()
    engine.SetMaximumNumberOfIterations(list(BIAS_ITERATIONS))
    engine.Execute(sitk.Shrink(image, [BIAS_SHRINK] * 3), sitk.Shrink(inside, [BIAS_SHRINK] * 3))
    field = sitk.GetArrayFromImage(engine.GetLogBiasFieldAsImage(image)).transpose(2, 1, 0)
    return np.where(brain > 0, brain / np.exp(field), 0).astype(np.float32)


def _itk(voxels: NDArray[np.generic]) -> sitk.Image:
    return sitk.GetImageFromArray(np.ascontiguousarray(voxels.transpose(2, 1, 0)))
