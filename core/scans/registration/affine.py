"""Affine registration of a head scan to the template: many coarse starts, then mutual information, coarse to fine.

Mattes et al., IEEE Transactions on Medical Imaging 22:120, 2003, as implemented in SimpleITK. Only the template's brain
and a narrow rim are compared, so the scan's skull, scalp and neck play no part once the brain is found.
"""

import functools
import itertools
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from skimage.filters import threshold_otsu

from core.errors import NoHead
from core.scans.registration.template import template

Affine = NDArray[np.float64]
RIM_MM = 4
BINS = 48
SEED = 1
START_DEGREES = 20.0
KEPT_STARTS = 3  # of the coarse starts, refined further
RELAXATION = 0.6
HEAD_MM = 150.0  # so far below the crown the neck begins
CROWN_TO_CENTRE_MM = 75.0
LEAST_CONTRAST = 1e-4  # of the largest value; a float32 knows hardly more steps than that


@dataclass(frozen=True, eq=False)
class Registration:
    """Where the template lies in a scan.

    Attributes:
        to_scan: float64, 4 × 4, maps a point of the template (mm, RAS+) to the same anatomy in the scan (mm, RAS+).
        similarity: Mutual information in nats; larger is more alike.
    """

    to_scan: Affine
    similarity: float


def register_to_template(voxels: NDArray[np.float32], affine: Affine) -> Registration:
    """Find the affine transform that aligns the template with a head scan.

    Args:
        voxels: float32, X × Y × Z, a T1 scan of a head, or of a brain alone.
        affine: float64, 4 × 4, voxel index to mm, RAS+; its axes at right angles.

    Returns:
        The registration; its quality is judged in `core.scans.registration.quality`.

    Raises:
        NoHead: All voxels are alike, so there is nothing to align.
    """
    moving = _image(_clipped(voxels), affine)
    small, smaller = _shrunk(moving, 2.0), _shrunk(moving, 4.0)
    coarse = [_optimised(smaller, start, COARSE) for start in _starts(voxels, affine)]
    best = sorted(coarse, key=lambda found: found[1], reverse=True)[:KEPT_STARTS]
    medium = [_optimised(small, start, MEDIUM) for start, _ in best]
    winner, _ = max(medium, key=lambda found: found[1])
    full = sitk.AffineTransform(3)
    full.SetCenter(winner.GetCenter())
    full.SetMatrix(winner.GetMatrix())
    full.SetTranslation(winner.GetTranslation())
    full, similarity = _optimised(moving, full, FINE)
    return Registration(_matrix(full), similarity)


@dataclass(frozen=True)
class _Stage:
    """Settings of one optimisation: shrinking and smoothing per level, fraction of voxels sampled, steps."""

    shrink: tuple[int, ...]
    smooth_mm: tuple[float, ...]
    iterations: int
    fraction: float
    step_mm: float
    finest_step_mm: float


COARSE = _Stage(shrink=(8,), smooth_mm=(6.0,), iterations=40, fraction=1.0, step_mm=8.0, finest_step_mm=0.2)
MEDIUM = _Stage(shrink=(4,), smooth_mm=(3.0,), iterations=60, fraction=1.0, step_mm=2.0, finest_step_mm=0.05)
FINE = _Stage(shrink=(4, 2), smooth_mm=(2.0, 1.0), iterations=120, fraction=0.5, step_mm=1.0, finest_step_mm=0.005)


def _optimised(moving: sitk.Image, start: sitk.Transform, stage: _Stage) -> tuple[sitk.Transform, float]:
    """Improve a transform from the template to an image; also return the mutual information it reaches."""
    fixed, mask = _template_images()
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(mask)
    if stage.fraction < 1:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(stage.fraction, SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel(stage.shrink)
    method.SetSmoothingSigmasPerLevel(stage.smooth_mm)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetOptimizerAsRegularStepGradientDescent(
        stage.step_mm, stage.finest_step_mm, stage.iterations, relaxationFactor=RELAXATION
    )
    method.SetOptimizerScalesFromPhysicalShift()
    transform = type(start)(start)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:  # from this start the two images do not overlap enough
        return start, -np.inf
    return transform, -float(method.GetMetricValue())


@functools.cache
def _template_images() -> tuple[sitk.Image, sitk.Image]:
    ready = template()
    rim = binary_dilation(ready.mask, iterations=RIM_MM)
    return _image(ready.brain, ready.affine), _image(rim.astype(np.uint8), ready.affine)


def _image(voxels: NDArray[np.generic], affine: Affine) -> sitk.Image:
    """Hand a volume to SimpleITK with RAS+ as its world space; both images are, so the result is in RAS+ too."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.transpose(2, 1, 0)))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    return image


def _shrunk(image: sitk.Image, millimetres: float) -> sitk.Image:
    """Average voxels to about this size, so that a coarse stage does not smooth the full image for every start."""
    sizes = zip(image.GetSpacing(), image.GetSize(), strict=True)
    factors = [min(max(1, round(millimetres / spacing)), side) for spacing, side in sizes]
    return sitk.BinShrink(image, factors)


def _starts(voxels: NDArray[np.float32], affine: Affine) -> list[sitk.Transform]:
    """Put the template at the scan's centre of mass and below its crown, each in several rotations."""
    step = [max(1, side // 64) for side in voxels.shape]
    small = voxels[:: step[0], :: step[1], :: step[2]]
    if np.ptp(small) <= LEAST_CONTRAST * np.abs(small).max():
        raise NoHead("all voxels of this volume have nearly the same value, so there is no head in it; give a T1 scan.")
    head = np.argwhere(small > threshold_otsu(small)) * step
    points = head @ affine[:3, :3].T + affine[:3, 3]
    centre_of_mass = points.mean(axis=0)
    crown = np.percentile(points[:, 2], 99.8)
    upper = points[points[:, 2] > crown - HEAD_MM]
    below_crown = np.array([*upper.mean(axis=0)[:2], crown - CROWN_TO_CENTRE_MM])
    centre = _centre_of_brain()
    starts: list[sitk.Transform] = []
    for target, turn in itertools.product((centre_of_mass, below_crown), _turns()):
        start = sitk.Similarity3DTransform()
        start.SetCenter(centre.tolist())
        start.SetTranslation((target - centre).tolist())
        start.SetRotation(*turn)
        starts.append(start)
    return starts


def _turns() -> list[tuple[tuple[float, float, float], float]]:
    """Return no rotation, and one to either side about each axis: (axis, radians)."""
    axes = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    angle = np.deg2rad(START_DEGREES)
    return [(axes[0], 0.0), *((axis, sign * angle) for axis in axes for sign in (1.0, -1.0))]


def _centre_of_brain() -> NDArray[np.float64]:
    ready = template()
    middle = np.argwhere(ready.mask).mean(axis=0)
    return np.asarray(ready.affine[:3, :3] @ middle + ready.affine[:3, 3], np.float64)


def _clipped(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Clip the few brightest voxels (vessels, fat), which would take up most of the histogram's bins."""
    return np.minimum(voxels, np.percentile(voxels[::3, ::3, ::3], 99.5)).astype(np.float32)


def _matrix(transform: sitk.AffineTransform) -> Affine:
    matrix = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, translation = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    result = np.eye(4)
    result[:3, :3] = matrix
    result[:3, 3] = translation + centre - matrix @ centre
    return result
