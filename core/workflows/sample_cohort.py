"""The sample cohort: a small set of synthetic scans on which every step can be tried within minutes."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.cohorts.synthetic.stages import (
    HEIGHTS_MM,
    STAGES,
    Subject,
    draw_subject,
    subject_slices,
    subject_volume,
    synthetic_subjects,
)
from core.errors import CohortError
from core.files import replacing_folder, write_table, write_text
from core.reporting.text.card_data import ORIGIN
from core.scans.registration.head import AFFINE
from core.scans.writing import write_nifti, write_png

PEOPLE, LEAST_PEOPLE = 60, 20
SLICES, VOLUMES, SUBJECTS, NOTES = "slices", "volumes", "subjects.csv", "README.txt"
SYNTHETIC_NOTICE = (
    "Synthetic: made by StageLens from the ICBM average brain. Nobody was scanned, and nothing here says anything "
    "about a disease."
)
_NOTES = """{notice}

slices/       one folder a class; {slices} axial slices of each of {people} synthetic people, PNG, in no order
subjects.csv  a row a slice: whose it is, its height in mm, and the person's age and sex
volumes/      a further person, mildly demented, as a NIfTI volume in standard space

Ventricles are wider and the cortex at the back is thinner at later stages and greater ages, by amounts chosen for
teaching. Made with seed {seed}; the same seed gives the same files.

The brain is a deformed copy of the ICBM 2009a nonlinear symmetric template (Fonov et al., NeuroImage 54:313, 2011).
Copyright (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill
University. Permission to use, copy, modify, and distribute this software and its documentation for any purpose and
without fee is hereby granted, provided that the above copyright notice appear in all copies. The authors and McGill
University make no representations about the suitability of this software for any purpose. It is provided "as is"
without express or implied warranty.
"""


@dataclass(frozen=True, eq=False)
class SampleCohort:
    """What was written.

    Attributes:
        folder: With the slices, the table and the volume.
        subjects: A row a slice: path (within `slices`), subject, height_mm, age, sex.
        by_class: People of each class.
        volume: The one volume, of a further person.
    """

    folder: Path
    subjects: pd.DataFrame
    by_class: dict[str, int]
    volume: Path

    def as_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {"folder": str(self.folder), "slices": len(self.subjects), "people": sum(self.by_class.values()),
                "people_by_class": self.by_class, "subjects": str(self.folder / SUBJECTS), "volume": str(self.volume),
                "notice": SYNTHETIC_NOTICE}  # fmt: skip


def write_sample_cohort(folder: str | Path, *, people: int = PEOPLE, seed: int = 1) -> SampleCohort:
    """Write a synthetic cohort: class folders of slices, a table of subjects with age and sex, and one volume.

    Args:
        folder: New or empty; it appears whole or not at all.
        people: How many synthetic people.
        seed: The same seed gives the same files.

    Raises:
        CohortError: The folder is not empty, or there would be too few people to divide.
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise CohortError(f"{target} exists and is not empty; give a new folder.")
    if people < LEAST_PEOPLE:
        raise CohortError(f"a cohort to train on needs at least {LEAST_PEOPLE} people. Received: {people}")
    subjects = synthetic_subjects(people, seed=seed)
    with replacing_folder(target) as unfinished:
        table = _write_slices(unfinished / SLICES, subjects, seed)
        write_table(unfinished / SUBJECTS, table)
        volume = _write_volume(unfinished / VOLUMES, draw_subject(people + 1, STAGES[-1], seed=seed))
        words = _NOTES.format(notice=SYNTHETIC_NOTICE, slices=len(HEIGHTS_MM), people=people, seed=seed)
        write_text(unfinished / NOTES, words)
        write_text(unfinished / ORIGIN, f"{SYNTHETIC_NOTICE}\n")
    by_class = {label: len(list(group)) for label, group in itertools.groupby(subjects, key=lambda one: one.label)}
    return SampleCohort(target, table, by_class, target / volume.relative_to(unfinished))


def _write_slices(folder: Path, subjects: tuple[Subject, ...], seed: int) -> pd.DataFrame:
    """Write the slices under names that say nothing of whose they are."""
    numbers = iter(np.random.default_rng([seed, 0]).permutation(len(subjects) * len(HEIGHTS_MM)) + 1)
    rows = []
    drawn = [tuple(subject_slices(subjects[0]))]  # before the others: it works out what all of them need
    with ThreadPoolExecutor() as pool:
        drawn += pool.map(lambda one: tuple(subject_slices(one)), subjects[1:])
    for one, slices in zip(subjects, drawn, strict=True):
        (folder / _spelled(one.label)).mkdir(parents=True, exist_ok=True)
        for height, grey in zip(HEIGHTS_MM, slices, strict=True):
            path = f"{_spelled(one.label)}/scan_{next(numbers):04d}.png"
            write_png(folder / path, grey)
            rows.append((path, one.name, height, one.age, one.sex))
    table = pd.DataFrame(rows, columns=["path", "subject", "height_mm", "age", "sex"])
    return table.sort_values("path", ignore_index=True)


def _write_volume(folder: Path, subject: Subject) -> Path:
    path = folder / _spelled(subject.label) / "brain.nii.gz"
    path.parent.mkdir(parents=True)
    write_nifti(path, subject_volume(subject), AFFINE)
    return path


def _spelled(label: str) -> str:
    return label.replace(" ", "_")
