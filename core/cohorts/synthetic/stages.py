"""Synthetic people in three stages, for trying out the software: they are not patients, nor derived from any.

Every person is the ICBM average brain with an individual smooth deformation, contrast and noise. The wall of the
ventricles is moved outwards and the cortex at the back thinned from within, more so at a later stage and an older age,
plus an individual amount, so that neighbouring stages overlap as they do in reality. The amounts were chosen for
teaching; they were not measured in people.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from core.cohorts.synthetic.cohort import NOISE, displaced, drawn, moved, person_field, slice_coordinates
from core.cohorts.tasks import ALZHEIMER
from core.scans.registration.atlas import average_brain
from core.scans.registration.head import SHAPE

# So that a volume's intensities pass for those of the training slices as they are, and are not changed once more.
CONTRAST, DARKEST = 0.05, 16
PERSON_MM = 4.0  # larger than in the ground-truth cohort, as the audit must tell people apart by the images alone
HEIGHTS_MM = tuple(float(height) for height in range(4, 19, 2))  # 2 mm apart, through the lateral ventricles
YOUNGEST, OLDEST = 55, 92
MIDDLE_AGE, PER_YEAR_MM = 74.0, 0.03  # ventricles widen with age, whatever the stage
PERSONAL_MM = 0.6  # standard deviation of the individual amount
CORTEX_FRACTION = 0.4  # of the ventricles' displacement


@dataclass(frozen=True)
class Stage:
    """A stage of the cohort.

    Attributes:
        label: One of `ALZHEIMER.classes`.
        fraction: Fraction of the people.
        ventricle_mm: How far the wall of the ventricles is moved at the middle age.
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
        number: Number of the person, from 1.
        label: The stage.
        age: Age in years.
        sex: "F" or "M"; it does not affect the images.
        ventricle_mm: How far the wall of the ventricles is moved.
        seed: Seed for everything individual.
    """

    number: int
    label: str
    age: int
    sex: str
    ventricle_mm: float
    seed: tuple[int, int]

    @property
    def name(self) -> str:
        """The person's name in tables: S001, S002 and so on."""
        return f"S{self.number:03d}"


def synthetic_subjects(people: int, *, seed: int = 1) -> tuple[Subject, ...]:
    """Draw the people of a cohort, in the order of the stages.

    Args:
        people: How many; half are not demented, three in ten very mildly, and the rest mildly.
        seed: The same seed gives the same people.
    """
    late = [round(people * stage.fraction) for stage in STAGES[1:]]
    counts = (people - sum(late), *late)
    stages = [stage for stage, count in zip(STAGES, counts, strict=True) for _ in range(count)]
    return tuple(draw_subject(number, stage, seed=seed) for number, stage in enumerate(stages, start=1))


def draw_subject(number: int, stage: Stage, *, seed: int) -> Subject:
    """Draw the person with a number: the same stage, number and seed give the same person."""
    rng = np.random.default_rng([seed, number])
    age = round(float(np.clip(rng.normal(stage.age, 7.0), YOUNGEST, OLDEST)))
    ventricle_mm = stage.ventricle_mm + PER_YEAR_MM * (age - MIDDLE_AGE) + rng.normal(0, PERSONAL_MM)
    return Subject(
        number=number,
        label=stage.label,
        age=age,
        sex="FM"[int(rng.integers(2))],
        ventricle_mm=max(0.0, float(ventricle_mm)),
        seed=(seed, number),
    )


def subject_slices(subject: Subject, heights_mm: Sequence[float] = HEIGHTS_MM) -> Iterator[NDArray[np.uint8]]:
    """Draw a person's axial slices the way round the networks expect: uint8, 208 × 176, the back of the head on top.

    Args:
        subject: The person.
        heights_mm: Heights of the slices, in Talairach mm above the AC–PC line.
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
    """Return a person's deformation field and contrast, and the generator for the noise."""
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
