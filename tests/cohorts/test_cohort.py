import os
import shutil
import sys
from pathlib import Path

import pytest

from core.cohorts import ALZHEIMER, TUMOUR, index_folder, task_of
from core.errors import CohortError

from ..conftest import SAMPLES


@pytest.mark.parametrize(
    ("spelling", "class_name"),
    [
        ("Very_Mild_Demented", "Very Mild Demented"),
        ("VeryMildDemented", "Very Mild Demented"),
        ("very mild demented", "Very Mild Demented"),
        ("VERY-MILD", "Very Mild Demented"),
        ("NonDemented", "Non Demented"),
        ("Mild Demented", "Mild Demented"),
        ("Milder", None),
    ],
)
def test_class_names_are_matched_whatever_their_spelling(spelling: str, class_name: str | None) -> None:
    assert ALZHEIMER.class_of(spelling) == class_name


def test_the_task_is_recognised_by_its_folders() -> None:
    assert task_of(["notumor", "glioma"]) is TUMOUR
    assert task_of(["Moderate_Demented", "non_demented"]) is ALZHEIMER
    assert task_of(["cats", "dogs"]).classes == ("cats", "dogs")


def test_train_and_test_folders_are_one_cohort_that_remembers_where_files_came_from(tmp_path: Path) -> None:
    for part in ("Training", "Testing"):
        folder = tmp_path / part / "glioma"
        folder.mkdir(parents=True)
        shutil.copy(SAMPLES / "icbm_template_z00.png", folder / "a.png")
        (folder / ".DS_Store").write_bytes(b"")
    table, task = index_folder(tmp_path)
    assert task is TUMOUR
    assert sorted(table["came_in"]) == ["Testing", "Training"]
    assert set(table["label"]) == {"Glioma"}


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_scans_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CohortError, match=name):
        index_folder(tmp_path / name)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_no_table_can_hold_is_one_line(slice_cohort: Path, tmp_path: Path) -> None:
    shutil.copytree(slice_cohort, tmp_path / "in")
    first = next((tmp_path / "in").rglob("*.png"))
    first.rename(os.fsdecode(os.fsencode(first.parent) + b"/m\xfcller.png"))
    with pytest.raises(CohortError, match=r"1 file has a name that no table can hold, such as m\\udcfcller\.png"):
        index_folder(tmp_path / "in")
