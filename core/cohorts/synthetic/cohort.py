"""A synthetic cohort with ground truth: some of the people are changed by a known amount in a known region.

Every person is the ICBM average brain with an individual smooth deformation, contrast and noise. In the changed ones
the wall of the ventricles is moved outwards, the inner wall of the cortex at the back outwards, the surface of the
brain inwards, or the hippocampus shrunk, by a given number of millimetres. The pixels that differ from the same person
unchanged are the ground truth for heatmaps. In the shortcut cohort the brains of the two classes do not differ, and
only a marker in a corner decides the label, as a burnt-in letter might.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from core.cohorts.manifest import COLUMNS, write_manifest
from core.cohorts.tasks import SYNTHETIC
from core.errors import CohortError
from core.files import write_table
from core.scans.registration.atlas import (
    BACK_MM,
    REGIONS,
    VENTRICLE_BOX,
    average_brain,
    average_intensities,
    regions,
    within_box,
)
from core.scans.registration.head import ORIGIN_MM, SHAPE
from core.scans.writing import write_png

CORTEX_MM = 3.0  # over which the shift of the cortex's inner wall fades towards its surface
BORDER_MM = 10.0  # over which the thinning sets in, from front to back
REACH_MM = 8.0  # over which a displacement fades
INSIDE_MM = 1.0  # depth inside the region from which its new part is filled
PERSON_MM, PERSON_SMOOTH = 2.5, 24.0  # size and smoothness of the deformation that tells people apart
CONTRAST, NOISE = 0.08, 3.0
FLUID_BELOW = 0.45  # in the values of the average brain
DIFFERS = 12.0  # a pixel counts as changed beyond this difference in grey levels (of 255)
MARKER = ((4, 4), (18, 18))  # first row and column, and the ones after the last
MARKER_GREY = 255


@dataclass(frozen=True)
class Change:
    """A kind of change.

    Attributes:
        name: Its name on the command line.
        title: The change in words.
        heights_mm: Heights of the slices of each person.
        millimetres: How far a wall moves by default.
        outwards: Whether the region grows (fluid) or shrinks.
    """

    name: str
    title: str
    heights_mm: tuple[float, ...]
    millimetres: float
    outwards: bool = True


CHANGES = {
    change.name: change
    for change in (
        Change("ventricles", "the wall of the ventricles moved outwards", (8.0, 12.0, 16.0, 20.0), 4.5),
        Change("cortex", "the cortex at the back thinned from within", (8.0, 12.0, 16.0, 20.0), 2.0),
        Change("surface", "the surface of the brain moved inwards", (8.0, 12.0, 16.0, 20.0), 3.0),
        Change("hippocampus", "the medial temporal grey matter shrunk", (-18.0, -14.0, -10.0), 3.0, outwards=False),
        Change("shortcut", "only a marker in a corner", (8.0, 12.0, 16.0, 20.0), 0.0),
    )
}


@dataclass(frozen=True, eq=False)
class SyntheticSlice:
    """One slice of a synthetic person.

    Attributes:
        person: Number of the person.
        height_mm: Height of the slice.
        label: One of `SYNTHETIC.classes`.
        grey: uint8, 208 × 176, the way round the networks expect.
        truth: bool, 208 × 176: where it differs from the same person unchanged.
    """

    person: int
    height_mm: float
    label: str
    grey: NDArray[np.uint8]
    truth: NDArray[np.bool_]


def synthetic_slices(
    kind: str, people: int, *, millimetres: float | None = None, seed: int = 0
) -> Iterator[SyntheticSlice]:
    """Make the slices of synthetic people, every other one changed.

    Args:
        kind: One of `CHANGES`.
        people: How many people.
        millimetres: How far a wall moves; None for the default of this kind.
        seed: Seed for the people.

    Raises:
        CohortError: There is no such change.
    """
    if kind not in CHANGES:
        raise CohortError(f"there is no change {kind!r}; known are {', '.join(CHANGES)}.")
    change = CHANGES[kind]
    distance = change.millimetres if millimetres is None else millimetres
    for person in range(people):
        changed = person % 2 == 1
        rng = np.random.default_rng([seed, person])
        field, contrast = person_field(rng), 1 + rng.uniform(-CONTRAST, CONTRAST)
        for height in change.heights_mm:
            noise = rng.normal(0, NOISE, (SHAPE[1], SHAPE[0]))
            where = slice_coordinates(height, field)
            plain = drawn(where, contrast, noise)
            grey = plain
            if changed and kind == "shortcut":
                grey = plain.copy()
                (top, left), (bottom, right) = MARKER
                grey[top:bottom, left:right] = MARKER_GREY
            elif changed:
                grey = drawn(where - displaced(where, kind, distance), contrast, noise)
            truth = np.abs(grey.astype(np.float32) - plain) > DIFFERS
            label = SYNTHETIC.classes[int(changed)]
            yield SyntheticSlice(person=person, height_mm=height, label=label, grey=grey, truth=truth)


def write_synthetic_cohort(
    folder: Path, kind: str, people: int, *, millimetres: float | None = None, seed: int = 0
) -> pd.DataFrame:
    """Write a synthetic cohort: class folders of PNG with a manifest of the people, and the ground truth of each slice.

    Args:
        folder: Created if needed; scans go to `scans`, their truth (PNG, white where changed) to `truth`, with the same
            names.
        kind: One of `CHANGES`.
        people: How many people; every other one is changed.
        millimetres: How far a wall moves; None for the default of this kind.
        seed: Seed for the people.

    Returns:
        One row per slice: path and truth (relative to the folder), label, subject, height_mm.
    """
    rows = []
    for one in synthetic_slices(kind, people, millimetres=millimetres, seed=seed):
        name = f"person{one.person:04d}_z{round(one.height_mm):+03d}.png"
        path, truth = Path("scans") / one.label / name, Path("truth") / name
        for file, picture in ((path, one.grey), (truth, np.uint8(255) * one.truth)):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            write_png(folder / file, np.asarray(picture, np.uint8))
        rows.append((path.as_posix(), truth.as_posix(), one.label, f"person{one.person:04d}", one.height_mm))
    table = pd.DataFrame(rows, columns=["path", "truth", "label", "subject", "height_mm"])
    paths = table["path"].str.removeprefix("scans/")
    made = {"session": "", "source": f"synthetic, {kind}", "verdict": "good", "similarity": 1.0, "digest": ""}
    manifest = table.assign(path=paths, **made)
    write_manifest(folder / "scans", manifest[list(COLUMNS)])
    write_table(folder / "known.csv", table)
    return table


def displaced(where: NDArray[np.float64], kind: str, millimetres: float) -> NDArray[np.float64]:
    """Return the displacement at which to sample the unchanged brain so that the region's wall moves by `millimetres`.

    Args:
        where: 3 × …, indices on the standard grid.
        kind: "ventricles", "cortex", "hippocampus" or "surface".
        millimetres: How far the wall moves; the displacement fades over 8 mm beyond it.
    """
    distance, gradient = _distance_of(kind)
    away = map_coordinates(distance, where, order=1)
    slope = np.stack([map_coordinates(part, where, order=1) for part in gradient])
    if CHANGES[kind].outwards:
        beyond = np.maximum(away - millimetres, 0)  # the wall itself moves by exactly `millimetres`
        fading = millimetres * np.exp(-((beyond / REACH_MM) ** 2))
        if (
            kind == "cortex"
        ):  # only at the back, and only between its inner wall, which moves, and its surface, which stays
            depth = map_coordinates(_distance_of("surface")[0], where, order=1)
            behind = BACK_MM - (where[1] + ORIGIN_MM[1])
            fading = fading * np.clip(depth / CORTEX_MM, 0, 1) * np.clip(behind / BORDER_MM, 0, 1)
        inwards = np.clip(np.minimum(fading, away + INSIDE_MM), 0, None)  # never beyond the opposite wall
        return np.asarray(inwards * slope)
    # The surroundings of the region move in: a point inside it shows what was further out.
    inner, outer = np.maximum(-away - millimetres, 0) / REACH_MM, np.maximum(away, 0) / REACH_MM
    return np.asarray(-millimetres * np.exp(-(inner**2 + outer**2)) * slope)


@functools.cache
def _distance_of(kind: str) -> tuple[NDArray[np.float32], tuple[NDArray[np.float32], ...]]:
    """Return the signed distance to a region's wall (mm, negative inside), smoothed, and its gradient."""
    labels = regions()
    match kind:
        case "ventricles":
            brain = average_brain()
            region = (brain < FLUID_BELOW) & (brain > 0) & within_box(VENTRICLE_BOX)
        case "cortex":
            region = np.isin(labels, [index for index, name in enumerate(REGIONS) if name.startswith("white matter")])
        case "surface":
            region = average_brain() <= 0
        case _:
            region = np.isin(
                labels, [index for index, name in enumerate(REGIONS) if name.startswith("medial temporal")]
            )
    signed = distance_transform_edt(~region) - distance_transform_edt(region)
    distance = gaussian_filter(signed, 1.0).astype(np.float32)
    return distance, tuple(np.asarray(part, np.float32) for part in np.gradient(distance))


def person_field(rng: np.random.Generator, size_mm: float = PERSON_MM) -> NDArray[np.float32]:
    """Return a smooth random displacement on a coarse grid, 3 × X × Y × Z / 8, in voxels.

    Args:
        rng: Of the person.
        size_mm: Standard deviation of the displacement.
    """
    coarse = tuple(side // 8 for side in SHAPE)
    field = np.stack([gaussian_filter(rng.normal(size=coarse), PERSON_SMOOTH / 8) for _ in range(3)])
    return np.asarray(field * (size_mm / field.std()), np.float32)


def slice_coordinates(height_mm: float, field: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return where in the average brain the pixels of a person's slice lie: 3 × 208 × 176."""
    x, y = np.meshgrid(np.arange(SHAPE[0])[::-1], np.arange(SHAPE[1]))
    return moved(np.stack([x, y, np.full(x.shape, height_mm - ORIGIN_MM[2])]).astype(float), field)


def moved(where: NDArray[np.float64], field: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the positions in the average brain that correspond to positions in a person's head.

    Args:
        where: 3 × …, indices on the standard grid.
        field: The person's, as `person_field` gives it.
    """
    return np.asarray(where + np.stack([map_coordinates(part, where / 8, order=1, mode="nearest") for part in field]))


def drawn(where: NDArray[np.float64], contrast: float, noise: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the average brain at these indices, with a contrast and noise: uint8, 0 outside the brain."""
    grey = map_coordinates(average_intensities(), where, order=1)
    inside = grey > 0
    return np.where(inside, np.clip(grey * contrast + noise, 1, 255), 0).round().astype(np.uint8)
