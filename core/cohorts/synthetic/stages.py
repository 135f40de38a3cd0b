"""Synthetic people of three stages, for trying the software on: no patient, and nothing learned from one.

Every person is the ICBM average brain under a smooth deformation, a contrast and noise of their own. The wall of the
ventricles is moved outwards and the cortex at the back thinned from within, further at a later stage and at a greater
age, and by an amount of each person's own, so that neighbouring stages overlap as they do in life. How far is chosen
for teaching; it was not measured on anybody.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from core.cohorts.synthetic.cohort import NOISE, displaced, drawn, moved, person_field, slice_coordinates
from core.cohorts.tasks import ALZHEIMER
from core.scans.registration.atlas import average_brain
from core.scans.registration.standard_space import SHAPE

# So that a volume's intensities pass for those of the training slices as they are, and are not changed once more.
CONTRAST, DARKEST = 0.05, 16
PERSON_MM = 4.0  # wider than between people of the ground-truth cohort: the audit has nothing but the images
HEIGHTS_MM = tuple(float(height) for height in range(8, 16))  # neighbours of 1 mm, through the lateral ventricles
YOUNGEST, OLDEST = 55, 92
MIDDLE_AGE, PER_YEAR_MM = 74.0, 0.03  # ventricles widen with age, whatever the stage
PERSONAL_MM = 0.6  # standard deviation of what is a person's own
CORTEX_FRACTION = 0.4  # of the ventricles' displacement


@dataclass(frozen=True)
class Stage:
    """A stage of the cohort.

    Attributes:
        label: One of `ALZHEIMER.classes`.
        fraction: Of the people.
        ventricle_mm: How far the ventricles' wall is moved at the middle age.
        age: Mean age in years.
    """

    label: str
    fraction: float
    ventricle_mm: float
    age: float


NON, VERY_MILD, MILD, _ = ALZHEIMER.classes
STAGES = (Stage(NON, 0.5, 0.8, 71.0), Stage(VERY_MILD, 0.3, 2.4, 75.0), Stage(MILD, 0.2, 4.2, 77.0))


@dataclass(frozen=True)
class Subject:
    """A synthetic person.

    Attributes:
        number: From 1.
        label: The stage.
        age: In years.
        sex: "F" or "M"; it changes nothing in the images.
        ventricle_mm: How far the ventricles' wall is moved.
        seed: Of everything that is the person's own.
    """

    number: int
    label: str
    age: int
    sex: str
    ventricle_mm: float
    seed: tuple[int, int]

    @property
    def name(self) -> str:
        """What tables call the person: S001, S002 and so on."""
        return f"S{self.number:03d}"


def synthetic_subjects(people: int, *, seed: int = 1) -> tuple[Subject, ...]:
    """Draw the people of a cohort, in the stages' order.

    Args:
        people: How many; half are not demented, three in ten very mildly and the rest mildly.
        seed: The same seed gives the same people.
    """
    late = [round(people * stage.fraction) for stage in STAGES[1:]]
    counts = (people - sum(late), *late)
    stages = [stage for stage, count in zip(STAGES, counts, strict=True) for _ in range(count)]
    return tuple(draw_subject(number, stage, seed=seed) for number, stage in enumerate(stages, start=1))


def draw_subject(number: int, stage: Stage, *, seed: int) -> Subject:
    """Draw the person of a number: the same stage, number and seed give the same person."""
    rng = np.random.default_rng([seed, number])
    age = round(float(np.clip(rng.normal(stage.age, 7.0), YOUNGEST, OLDEST)))
    ventricle_mm = stage.ventricle_mm + PER_YEAR_MM * (age - MIDDLE_AGE) + rng.normal(0, PERSONAL_MM)
    return Subject(number, stage.label, age, "FM"[int(rng.integers(2))], max(0.0, float(ventricle_mm)), (seed, number))


def subject_slices(subject: Subject, heights_mm: Sequence[float] = HEIGHTS_MM) -> Iterator[NDArray[np.uint8]]:
    """Draw a person's axial slices the way round the networks know: uint8, 208 × 176, the back of the head at the top.

    Args:
        subject: The person.
        heights_mm: Of the slices, in Talairach mm above the AC–PC line.
    """
    field, contrast, rng = _appearance(subject)
    for height in heights_mm:
        noise = rng.normal(0, NOISE, (SHAPE[1], SHAPE[0]))
        yield _scanned(slice_coordinates(height, field), subject, contrast, noise)


def subject_volume(subject: Subject) -> NDArray[np.uint8]:
    """Draw a person's whole brain on the standard grid: uint8, 176 × 208 × 176 along RAS+."""
    field, contrast, rng = _appearance(subject)
    where = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij")).astype(float)
    return _scanned(moved(where, field), subject, contrast, rng.normal(0, NOISE, SHAPE))


def _appearance(subject: Subject) -> tuple[NDArray[np.float32], float, np.random.Generator]:
    """Return a person's field and contrast, and what draws the noise."""
    rng = np.random.default_rng([*subject.seed, 1])
    return person_field(rng, PERSON_MM), 1 + rng.uniform(-CONTRAST, CONTRAST), rng


def _scanned(
    where: NDArray[np.float64], subject: Subject, contrast: float, noise: NDArray[np.float64]
) -> NDArray[np.uint8]:
    grey = drawn(_atrophied(where, subject), contrast, noise)
    return np.where(grey > 0, np.maximum(grey, DARKEST), 0).astype(np.uint8)


def _atrophied(where: NDArray[np.float64], subject: Subject) -> NDArray[np.float64]:
    """Return where the person's brain is found in one without loss; nothing is looked up outside the brain."""
    inside = map_coordinates(average_brain(), where, order=0) > 0
    brain, found = where[:, inside], where.copy()
    for kind, fraction in (("ventricles", 1.0), ("cortex", CORTEX_FRACTION)):
        found[:, inside] -= displaced(brain, kind, fraction * subject.ventricle_mm)
    return found
