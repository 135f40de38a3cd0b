"""Affine registration of a head scan to the template: many coarse starts, then mutual information, coarse to fine.

Mattes et al., IEEE Transactions on Medical Imaging 22:120, 2003, as implemented in SimpleITK. Only the template's brain
and a narrow rim are compared, so the scan's skull, scalp and neck play no part once the brain is found.

A small head with a bright scalp may end too large: the template's rim lies on the scalp, and mutual information has a
maximum there. So where the scan hardly resembles the template in the answer, other sizes are tried, coarsely and with
the brain compared without its rim; the one in which it resembles the template most is finished, and taken if it is
better.
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
from core.scans.registration.quality import REVERSED, similarity_to_template
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
ALIKE = 0.65  # correlation with the template from which an answer is not tried again
SIZES = (0.93, 0.86, 1.07)  # times the first answer's
OTHER_SIZES = (0.85, 1.15)  # of the template, from which all starts are made again if these do not help
THIN = 4  # voxels along a side, below which SimpleITK does not smooth
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
    small, smaller = _smoothed(_shrunk(moving, 2.0), MEDIUM), _smoothed(_shrunk(moving, 4.0), COARSE)
    starts = _starts(voxels, affine)
    winner = _found(smaller, small, starts, rim_mm=RIM_MM)
    best = _finished(voxels, affine, moving, winner, rim_mm=RIM_MM)
    if best.alike >= ALIKE or best.alike < REVERSED:
        return best.found

    def judged(coarsely: sitk.Transform) -> tuple[float, sitk.Transform]:
        return similarity_to_template(voxels, affine, _matrix(_as_affine(coarsely))), coarsely

    alike, other = max(
        (judged(_optimised(small, _sized(winner, size), MEDIUM, rim_mm=0)[0]) for size in SIZES), key=lambda one: one[0]
    )
    if alike < ALIKE:
        others = [_sized(start, size) for size in OTHER_SIZES for start in starts]
        alike, other = max((alike, other), judged(_found(smaller, small, others, rim_mm=0)), key=lambda one: one[0])
    again = _finished(voxels, affine, moving, other, rim_mm=0)
    return max(best, again, key=lambda one: one.alike).found


@dataclass(frozen=True, eq=False)
class _Answer:
    """A registration, and how much the scan then resembles the template: a correlation."""

    found: Registration
    alike: float


def _found(smaller: sitk.Image, small: sitk.Image, starts: list[sitk.Transform], *, rim_mm: int) -> sitk.Transform:
    """Return the best similarity transform from all starts."""
    coarse = [_optimised(smaller, start, COARSE, rim_mm=rim_mm) for start in starts]
    best = sorted(coarse, key=lambda found: found[1], reverse=True)[:KEPT_STARTS]
    medium = [_optimised(small, start, MEDIUM, rim_mm=rim_mm) for start, _ in best]
    return max(medium, key=lambda found: found[1])[0]


def _finished(
    voxels: NDArray[np.float32], affine: Affine, moving: sitk.Image, start: sitk.Transform, *, rim_mm: int
) -> _Answer:
    """Return the affine transform that a similarity transform leads to."""
    full, similarity = _as_affine(start), -np.inf
    for stage in FINE:
        full, similarity = _optimised(_smoothed(moving, stage), full, stage, rim_mm=rim_mm)
    to_scan = _matrix(full)
    return _Answer(Registration(to_scan, similarity), similarity_to_template(voxels, affine, to_scan))


def _as_affine(start: sitk.Transform) -> sitk.Transform:
    """Return a similarity transform as an affine one."""
    full = sitk.AffineTransform(3)
    full.SetCenter(start.GetCenter())
    full.SetMatrix(start.GetMatrix())
    full.SetTranslation(start.GetTranslation())
    return full


def _sized(start: sitk.Transform, size: float) -> sitk.Transform:
    """Return a similarity transform that makes the template larger or smaller about its centre."""
    other = sitk.Similarity3DTransform(start)
    other.SetScale(start.GetScale() * size)
    return other


@dataclass(frozen=True)
class _Stage:
    """Settings of one optimisation: grid of the template in its voxels, smoothing, fraction of it sampled, steps."""

    shrink: int
    smooth_mm: float
    iterations: int
    fraction: float
    step_mm: float
    finest_step_mm: float


COARSE = _Stage(shrink=8, smooth_mm=6.0, iterations=40, fraction=1.0, step_mm=8.0, finest_step_mm=0.2)
MEDIUM = _Stage(shrink=4, smooth_mm=3.0, iterations=60, fraction=1.0, step_mm=2.0, finest_step_mm=0.05)
FINE = (
    _Stage(shrink=4, smooth_mm=2.0, iterations=120, fraction=0.5, step_mm=1.0, finest_step_mm=0.005),
    _Stage(shrink=2, smooth_mm=1.0, iterations=120, fraction=0.2, step_mm=1.0, finest_step_mm=0.005),
)


def _optimised(
    moving: sitk.Image, start: sitk.Transform, stage: _Stage, *, rim_mm: int
) -> tuple[sitk.Transform, float]:
    """Improve a transform from the template to an image smoothed for a stage.

    The template is smoothed once a process and the image once a stage; SimpleITK would smooth both from every start.
    Gradients are differences of neighbours, as both are smooth; its filter would smooth them once more.

    Returns:
        The transform, and the mutual information it reaches.
    """
    fixed, mask = _smoothed_template(stage), _template_mask(rim_mm)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(mask)
    if stage.fraction < 1:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(stage.fraction, SEED)
    method.MetricUseMovingImageGradientFilterOff()
    method.MetricUseFixedImageGradientFilterOff()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel([stage.shrink])
    method.SetSmoothingSigmasPerLevel([0.0])
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


def _smoothed(image: sitk.Image, stage: _Stage) -> sitk.Image:
    """Smooth an image for a stage; one that is too thin for that stays as it is."""
    return sitk.SmoothingRecursiveGaussian(image, stage.smooth_mm) if min(image.GetSize()) >= THIN else image


@functools.cache
def _smoothed_template(stage: _Stage) -> sitk.Image:
    ready = template()
    return _smoothed(_image(ready.brain, ready.affine), stage)


@functools.cache
def _template_mask(rim_mm: int) -> sitk.Image:
    ready = template()
    rim = binary_dilation(ready.mask, iterations=rim_mm) if rim_mm else ready.mask
    return _image(rim.astype(np.uint8), ready.affine)


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
