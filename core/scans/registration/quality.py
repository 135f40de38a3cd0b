"""How well a scan is aligned to the template: similarity, overlap, and whether the stretch is plausible."""

import functools

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, binary_erosion, gaussian_filter

from core.scans.registration.head import Quality, Verdict
from core.scans.registration.template import template

STEP = 3  # mm; coarse enough that one person's cortical folds do not matter
SMOOTH = 1.0  # voxels of STEP
Affine = NDArray[np.float64]
VERDICTS: tuple[Verdict, ...] = ("good", "doubtful", "failed")
# Beyond the first limit of each pair the verdict is "doubtful", beyond the second "failed". ALIKE is the correlation
# with the template deep inside its brain; 200 real brains, overlaid without registration, have 0.34 to 0.70.
ALIKE = (0.4, 0.25)
REVERSED = -0.1  # below it bright and dark are reversed, which no alignment would make of a T1 scan
COVERED = (0.85, 0.6)  # fraction of the template's brain that is tissue in the scan
SIZE = ((0.78, 1.28), (0.65, 1.5))  # stretch in any direction; adult heads differ by some 15 %
SHEAR = (-0.15, -0.3)  # cosine between axes, negative so that a lower value is worse
TISSUE = 0.15  # of the brain's bright values; air and noise stay below
DEEP = 2  # voxels of the coarse grid
NO_T1 = "This does not look like a T1 scan of a head:"
FAILED = "The alignment to the standard brain failed, or this is no T1 scan of a head:"
FEWEST = 500  # voxels of the coarse grid for a correlation to be meaningful


def judge(voxels: NDArray[np.float32], affine: Affine, to_scan: Affine, *, registered: bool) -> Quality:
    """Measure how well a scan is aligned to the template.

    Args:
        voxels: float32, X × Y × Z.
        affine: Voxel index to mm.
        to_scan: Template mm to scan mm.
        registered: Whether it was registered here; a scan that came in this space may cover only a part of the head.
    """
    seen, inside = _sampled(voxels, affine, to_scan)
    similarity = _correlation(seen, inside)
    overlap = _overlap(seen, inside) if registered else 1.0
    scales = np.linalg.svd(to_scan[:3, :3], compute_uv=False)
    stretch = (float(scales.min()), float(scales.max()))
    shear = _shear(to_scan)
    stretched = f"The head would have to be {stretch[0]:.2f} to {stretch[1]:.2f} times the template's size."
    findings = (
        (_below(similarity, ALIKE), _unlike(similarity)),
        (_below(overlap, COVERED), f"The scan covers only {100 * overlap:.0f} % of the brain."),
        (_beyond(stretch, SIZE), stretched),
        (_below(-shear, SHEAR), f"The head would have to be sheared by {shear:.2f}."),
    )
    worst = max(severity for severity, _ in findings)
    problems = tuple(sentence for severity, sentence in findings if severity > 0)
    return Quality(
        verdict=VERDICTS[worst],
        similarity=similarity,
        overlap=overlap,
        scales=stretch,
        shear=shear,
        sentences=_sentences(worst, problems, reversed_=similarity < REVERSED),
    )


def similarity_to_template(voxels: NDArray[np.float32], affine: Affine, to_scan: Affine) -> float:
    """Return the correlation of a scan with the template inside its brain, as far as the scan covers it; -1 to 1."""
    return _correlation(*_sampled(voxels, affine, to_scan))


def _sampled(
    voxels: NDArray[np.float32], affine: Affine, to_scan: Affine
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Sample the scan on the coarse template grid; also return where the grid lies inside the scan's field of view."""
    grid, shape = _grid()
    index = np.linalg.inv(affine) @ to_scan @ grid
    step = np.linalg.norm(index[:3, :3], axis=0).mean()
    fine = voxels if step < 2 else gaussian_filter(voxels, step / 4)
    seen = affine_transform(fine, index[:3, :3], index[:3, 3], output_shape=shape, order=1)
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    coordinates = points @ index[:3, :3].T + index[:3, 3]
    inside = ((coordinates >= -0.5) & (coordinates <= np.array(voxels.shape) - 0.5)).all(axis=-1)
    return seen.astype(np.float64), np.asarray(inside, np.bool_)


@functools.cache
def _grid() -> tuple[Affine, tuple[int, int, int]]:
    ready = template()
    grid = ready.affine.copy()
    grid[:3, :3] *= STEP
    sides = [side // STEP for side in ready.brain.shape]
    return grid, (sides[0], sides[1], sides[2])


@functools.cache
def _template_on_grid() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    ready, (_, shape) = template(), _grid()
    smooth = gaussian_filter(ready.brain.astype(np.float64), STEP / 2)
    cut = tuple(slice(0, side * STEP, STEP) for side in shape)
    return gaussian_filter(smooth[cut], SMOOTH), ready.mask[cut]


def _correlation(seen: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    """Correlate deep inside the brain only: with the template's dark rim, any bright blob would look similar."""
    brain, mask = _template_on_grid()
    where = inside & binary_erosion(mask, iterations=DEEP)
    if where.sum() < FEWEST:
        return 0.0
    a, b = gaussian_filter(seen, SMOOTH)[where], brain[where]
    if a.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _overlap(seen: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    _, mask = _template_on_grid()
    values = seen[mask & inside]
    if values.size == 0:
        return 0.0
    tissue = seen > TISSUE * np.percentile(values, 90)
    return float((tissue & inside & mask).sum() / mask.sum())


def _shear(to_scan: Affine) -> float:
    columns = to_scan[:3, :3] / np.linalg.norm(to_scan[:3, :3], axis=0)
    return float(np.abs(columns.T @ columns - np.eye(3)).max())


def _below(value: float, limits: tuple[float, float]) -> int:
    """Return 0 above the first limit, 1 between the two, 2 below the second."""
    return int(value < limits[0]) + int(value < limits[1])


def _beyond(values: tuple[float, float], limits: tuple[tuple[float, float], tuple[float, float]]) -> int:
    return sum(int(values[0] < low or values[1] > high) for low, high in limits)


def _unlike(similarity: float) -> str:
    if similarity < REVERSED:
        return f"Bright and dark are reversed compared with a T1 scan (correlation {similarity:.2f})."
    return f"Where the brain should be, the scan hardly resembles a T1 brain (correlation {similarity:.2f})."


def _sentences(worst: int, problems: tuple[str, ...], *, reversed_: bool) -> tuple[str, ...]:
    if worst == 0:
        return ()
    start = "The alignment to the standard brain is uncertain:"
    if worst == 2:
        start = NO_T1 if reversed_ else FAILED
    return (f"{start} {' '.join(problems)}",)
