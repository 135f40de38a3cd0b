"""From a folder to a split: the scheme taken, what is impossible, and what is missing, said once each."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from core.cohorts import ALZHEIMER, index_folder, split_by_folder, split_by_slice, split_by_subject
from core.cohorts.folds import folds_by_subject
from core.cohorts.names.people import Naming
from core.cohorts.plan import files_of, plan_split
from core.cohorts.plan.files import contradictions
from core.cohorts.plan.notices import notices
from core.cohorts.plan.scheme import INSTEAD, UNKNOWN
from core.cohorts.split import default_scheme
from core.cohorts.split_summary import describe_split, missing_classes
from core.cohorts.tasks import task_of_table
from core.errors import CohortError
from core.scans.writing import write_nifti

from ..conftest import write_heads


def small(*counts: int, slices: int = 1, known: bool = True) -> pd.DataFrame:
    rows = [
        (f"{label}/{person}_{number}.png", f"class {label}", f"P{label}{person}" if known else "", 1)
        for label, people in enumerate(counts)
        for person in range(people)
        for number in range(slices)
    ]
    table = pd.DataFrame(rows, columns=["path", "label", "subject", "slice"])
    return table.assign(copies="", came_in="", sha256=table["path"])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("counts", [(2, 2, 2, 1), (1, 1, 1, 1, 1), (3, 2), (4, 4), (5, 1)])
def test_a_tiny_cohort_is_divided_into_three_parts_and_its_gaps_are_said(counts: tuple[int, ...], seed: int) -> None:
    split = split_by_subject(small(*counts), seed=seed)
    assert set(split["part"]) == {"train", "val", "test"}
    described = describe_split(split)
    for number, people in enumerate(counts):
        if people < 3:
            assert any(sentence.startswith(f"class {number} (") for sentence in described.missing)
    if min(counts) > 1:  # a class with two people keeps one to learn from
        assert set(split.loc[split["part"] == "train", "label"]) == set(split["label"])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("counts", [(3, 3, 3, 3), (4, 4, 4, 4), (3, 40), (2, 3, 9), (60, 30, 3)])
def test_every_class_of_three_people_is_in_every_part(counts: tuple[int, ...], seed: int) -> None:
    split = split_by_subject(small(*counts, slices=4), seed=seed)
    assert (split.groupby("subject")["part"].nunique() == 1).all()
    parts_of = split.groupby("label")["part"].nunique()
    assert [parts_of[f"class {number}"] for number, people in enumerate(counts) if people >= 3] == [3] * sum(
        people >= 3 for people in counts
    )


def test_a_tiny_cohort_is_cut_into_folds(tmp_path: Path) -> None:
    folds = list(folds_by_subject(small(2, 2, 2, 1), folds=5, repeats=1, seed=1))
    assert all(set(fold.split["part"]) == {"train", "val", "test"} for fold in folds)


def test_what_a_tiny_cohort_cannot_do_is_one_sentence_with_the_reason(tmp_path: Path) -> None:
    table = small(2, 2, 2, 1)
    for path in table["path"]:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    on_disk = table.assign(path=[str(tmp_path / path) for path in table["path"]])
    with pytest.raises(
        CohortError, match=r"would leave no scans for val and test.*class 0: 2, class 1: 2, class 2: 2, class 3: 1"
    ):
        split_by_slice(on_disk, seed=1)
    with pytest.raises(CohortError, match="a split by subject needs at least 5 people; there are 4"):
        split_by_subject(small(2, 2), seed=1)
    with pytest.raises(CohortError, match="a split by near-copies needs at least 5 groups of near copies; there are 4"):
        split_by_subject(small(2, 2, known=False), seed=1)
    with pytest.raises(CohortError, match="9 folds need at least 9 groups of near copies; there are 4"):
        next(folds_by_subject(small(2, 2, known=False), folds=9, repeats=1, seed=1))
    parts = small(2, 1).assign(came_in=["train", "test", "test"])
    with pytest.raises(CohortError, match="no class has two training files"):
        split_by_folder(parts, seed=1)


def test_by_says_what_was_done_and_never_subject_where_people_are_not_known() -> None:
    unknown = small(8, 8, known=False)
    assert default_scheme(unknown) == "near-copies"
    for by in ("auto", "subject", "near-copies"):
        planned = plan_split(unknown, by, seed=1)
        assert set(planned.split["by"]) == {"near-copies"}
        assert planned.notes == (INSTEAD if by == "subject" else UNKNOWN,)
    assert plan_split(unknown.assign(came_in=["train", "test"] * 8), seed=1).notes == (UNKNOWN,)
    assert plan_split(small(8, 8), seed=1).notes == ()
    assert set(plan_split(small(8, 8), seed=1).split["by"]) == {"subject"}
    partly = small(8, 8)
    partly.loc[0, "subject"] = ""
    assert set(plan_split(partly, seed=1).split["by"]) == {"near-copies"}
    fold = next(folds_by_subject(unknown, folds=4, repeats=1, seed=1))
    assert set(fold.split["by"]) == {"near-copies"}


def test_the_sets_own_parts_come_first_and_copies_across_them_are_named_and_removed() -> None:
    table = small(10, 10).assign(came_in=["Training"] * 7 + ["Testing"] * 3 + ["Training"] * 7 + ["Testing"] * 3)
    table.loc[[0, 8], "sha256"] = "same"
    table.loc[[10, 18], "copies"] = "C001"
    planned = plan_split(table, seed=1)
    assert set(planned.split["by"]) == {"folder"}
    (note,) = planned.notes
    assert note.startswith("WARNING: 2 groups of copies lie in several parts")
    assert "2 files of the test part" in note
    cleaned = plan_split(table, seed=1, drop_copies=True)
    assert len(cleaned.split) == 18
    assert not cleaned.split["path"].isin(table["path"][[0, 10]]).any()  # the test part stays as it came
    assert cleaned.notes == ("2 files were left out: they are copies of files in another part.",)


def test_a_default_split_tears_no_copies() -> None:
    table = small(30, 30, known=False)
    table["copies"] = [f"C{row // 3}" for row in range(len(table))]
    split = plan_split(table, seed=3).split
    assert (split.groupby(table["copies"])["part"].nunique() == 1).all()
    assert plan_split(table, seed=3).notes == (UNKNOWN,)
    assert "groups of copies lie in several parts" in plan_split(
        table.assign(came_in=["train", "train", "test"] * 20), seed=3
    ).notes[1]  # fmt: skip


def test_classes_that_are_missing_from_parts_are_said_with_what_to_do() -> None:
    split = pd.DataFrame({"label": ["Non Demented"] * 3 + ["Mild Demented"], "part": ["train", "val", "test", "test"]})
    split = split.assign(subject=["a", "b", "c", "d"])
    said = missing_classes(split, ALZHEIMER)
    assert said == (
        "No scan is Very Mild Demented or Moderate Demented: the network will have the answer and never learn it; a "
        "task.toml in the folder leaves classes out.",
        "Mild Demented (1 person) is not in the train or val part: nothing can be learnt of it; give more people of "
        "this class.",
    )
    whole = split.assign(label="only")
    assert missing_classes(whole, task_of_table(whole)) == ()


def test_identical_files_in_two_classes_are_said() -> None:
    table = pd.DataFrame({"path": ["a/1.png", "b/2.png", "b/3.png"], "label": list("abb"), "sha256": list("xxy")})
    (note,) = contradictions(table)
    assert "1 groups of byte-identical files lie in two classes (a/1.png = b/2.png)" in note
    assert contradictions(table.iloc[1:]) == ()


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


FOUR = tuple(f"{label}/1.png" for label in ("NonDemented", "VeryMildDemented", "MildDemented", "ModerateDemented"))


def test_files_in_folders_inside_a_class_are_said_to_be_left_out(tmp_path: Path) -> None:
    (note,) = notices(write(tmp_path, *FOUR, "MildDemented/person 1/2.png", "MildDemented/person 1/notes.txt"))
    assert "1 files in folders inside the class folders were not read, the first MildDemented/person 1/2.png" in note


def test_a_folder_of_notes_beside_the_classes_is_no_class_and_is_said(tmp_path: Path) -> None:
    table, task = index_folder(write(tmp_path, *FOUR, "docs/readme.txt", "docs/list.csv"))
    assert task is ALZHEIMER
    assert len(table) == 4
    assert "1 folders beside the classes hold no scans and were not read: docs" in notices(tmp_path)[0]


def test_a_folder_of_pictures_that_turns_all_classes_into_ones_own_is_said(tmp_path: Path) -> None:
    _, task = index_folder(write(tmp_path, *FOUR, "figures/plot.png"))
    assert task.name == "custom"
    (note,) = notices(tmp_path)
    assert note.startswith("WARNING: figures is no class of the task alzheimer")
    assert "task.toml" in note
    (tmp_path / "task.toml").write_text(
        'classes = ["figures", "NonDemented", "VeryMildDemented", "MildDemented", "ModerateDemented"]'
    )
    assert notices(tmp_path) == ()
    assert notices(write(tmp_path / "own", "a/1.png", "b/1.png", "normal/1.png")) == ()


def test_notes_beside_the_parts_do_not_hide_them(tmp_path: Path) -> None:
    write(tmp_path, "train/glioma/1.png", "train/notumor/1.png", "test/glioma/2.png", "about/readme.md")
    table, _ = index_folder(tmp_path)
    assert sorted(set(table["came_in"])) == ["test", "train"]
    assert "hold no scans and were not read: about" in notices(tmp_path)[0]


def test_the_extra_folder_of_an_archive_is_seen_through(tmp_path: Path) -> None:
    write(tmp_path, *(f"archive/Alzheimer_s Dataset/{name}" for name in FOUR))
    table, task = index_folder(tmp_path)
    assert task is ALZHEIMER
    assert len(table) == 4
    assert notices(tmp_path) == ("The classes lie in archive/Alzheimer_s Dataset.",)
    shutil.copytree(tmp_path / "archive" / "Alzheimer_s Dataset", tmp_path / "archive" / "second copy")
    with pytest.raises(CohortError, match=r"Is it .*Alzheimer_s Dataset\?"):
        index_folder(tmp_path / "archive")


def test_a_folder_that_cannot_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, *FOUR)

    def refuse() -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("core.cohorts.cohort.layouts", refuse)
    with pytest.raises(CohortError, match="cannot be read: Permission denied; give a folder of scans"):
        index_folder(tmp_path)


def test_what_is_found_in_a_folder_comes_with_its_files(tmp_path: Path) -> None:
    write_heads(tmp_path, {"round": 4, "flat": 4}, slices=4)
    first = next((tmp_path / "round").glob("*.png"))
    shutil.copy(first, tmp_path / "flat" / "again.png")
    (tmp_path / "flat" / "deeper").mkdir()
    shutil.copy(first, tmp_path / "flat" / "deeper" / "x.png")
    notes = files_of(tmp_path).notes
    assert sum("folders inside the class folders" in note for note in notes) == 1
    assert sum("lie in two classes" in note for note in notes) == 1


def test_what_an_audit_doubts_sets_aside_and_cannot_read_is_said_by_the_split_too(tmp_path: Path) -> None:
    write_heads(tmp_path, {"NonDemented": 6, "MildDemented": 5}, slices=10)
    cv2.imwrite(str(tmp_path / "NonDemented" / "black.png"), np.zeros((104, 88), np.uint8))
    (tmp_path / "NonDemented" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    moved = sorted((tmp_path / "NonDemented").glob("*_00_*.png")) or sorted((tmp_path / "NonDemented").glob("*.png"))
    shutil.copy(moved[0], tmp_path / "MildDemented" / "again.png")
    notes = "\n".join(files_of(tmp_path).notes)
    assert "in no part: 1 file that cannot be read, the first broken.png" in notes
    assert "in no part: 1 file that the audit set aside, the first black.png" in notes
    assert "has slices in 2 classes (Mild Demented, Non Demented): one person, or two alike?" in notes


def test_a_few_volumes_among_slices_are_named_and_do_not_take_the_place_of_the_slices(tmp_path: Path) -> None:
    write_heads(tmp_path, {"NonDemented": 6, "MildDemented": 5}, slices=10)
    write_nifti(tmp_path / "NonDemented" / "brain.nii.gz", np.ones((16, 16, 16), np.uint8), np.eye(4))
    files = files_of(tmp_path)
    assert len(files.table) == 110
    assert "in no part: 1 file that cannot be read, the first brain.nii.gz" in "\n".join(files.notes)


def test_a_picture_among_volumes_is_named(tmp_path: Path) -> None:
    for name in ("NonDemented", "MildDemented"):
        (tmp_path / name).mkdir()
        for number in range(3):
            write_nifti(tmp_path / name / f"{name}_{number}.nii.gz", np.ones((16, 16, 16), np.uint8), np.eye(4))
    cv2.imwrite(str(tmp_path / "NonDemented" / "shot.png"), np.zeros((104, 88), np.uint8))
    files = files_of(tmp_path)
    assert len(files.table) == 6
    assert "in no part: 1 file beside the volumes, the first shot.png" in "\n".join(files.notes)


def test_people_in_several_classes_are_counted_and_it_is_said_how_they_are_judged(tmp_path: Path) -> None:
    truth = write_heads(tmp_path, {"NonDemented": 6, "MildDemented": 5}, slices=10)
    whose = truth.assign(subject=[f"S{person % 6}" for person in truth["person"]])
    whose[["path", "subject"]].to_csv(tmp_path / "ids.csv", index=False)
    notes = "\n".join(files_of(tmp_path, Naming(table=tmp_path / "ids.csv")).notes)
    assert "of 6 have scans in several classes, the first S0 (Mild Demented, Non Demented)" in notes
    assert "counted by subject, each is of the class of most." in notes
