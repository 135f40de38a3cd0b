"""Whose slices these are by what their DICOM files say."""

from pathlib import Path

import pytest

from core.cohorts import audit_folder
from core.cohorts.plan import files_of
from core.reporting.text.cohorts import audit_text

from ..conftest import head
from ..scans.volumes import SECRETS, dicom_bytes, image

FOUR = {"NonDemented": 2, "MildDemented": 2}


def write(folder: Path, slices: int = 3, **anonymised: str) -> Path:
    """Write two people of each class, with two visits of each, too few slices to be told apart by the pictures."""
    person = 0
    for label, people in FOUR.items():
        (folder / label).mkdir(parents=True)
        for _ in range(people):
            for number in range(slices):
                made = image(head(person, 4 * number), PatientID=f"P-{person}", PatientName=f"Name{person}^X")
                made.StudyInstanceUID = f"1.2.{person + 1}.{number % 2 + 1}"
                for keyword, value in anonymised.items():
                    setattr(made, keyword, value)
                (folder / label / f"{person}-{number}.dcm").write_bytes(dicom_bytes(made))
            person += 1
    return folder


def test_slices_of_one_patient_are_one_person(tmp_path: Path) -> None:
    found = audit_folder(write(tmp_path / "c"))
    assert (found.named, found.named_by, found.doubts()) == (True, "the DICOM files", [])
    whose = found.table.assign(person=[Path(path).stem.split("-")[0] for path in found.table["path"]])
    assert whose.groupby("subject")["person"].nunique().eq(1).all()
    assert whose.groupby("person")["subject"].nunique().eq(1).all()
    text = audit_text(found.as_dict())
    assert "4 people, 3 slices each" in text
    assert "as named by the DICOM files" in text
    assert not any(secret in text for secret in (*SECRETS, "P-0", "Name0"))


@pytest.mark.parametrize("word", ["ANONYMOUS", "Project 7"])
def test_without_patients_each_examination_is_one_person_and_that_is_said(tmp_path: Path, word: str) -> None:
    folder = write(tmp_path / "c", PatientID=word, PatientName="")
    found = audit_folder(folder)
    assert found.table["subject"].nunique() == 8
    (doubt,) = found.doubts()
    assert "name no patients, so each examination is taken for one person" in doubt
    assert f"doubtful: {doubt}" in audit_text(found.as_dict())
    assert any(doubt in note for note in files_of(folder).notes)


def test_files_that_name_neither_leave_it_to_the_pictures(tmp_path: Path) -> None:
    found = audit_folder(write(tmp_path / "c", PatientID="", PatientName="", StudyInstanceUID=""))
    assert not found.named
