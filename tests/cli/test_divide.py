"""The verb split at the edges: tiny cohorts, visits, own classes, copies across parts."""

import json
from pathlib import Path

import pytest

from core.cohorts import read_split
from core.cohorts.tasks import task_of_table

from .conftest import Shell


def volumes(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes([number]))
    return folder


SEVEN = ("0/a.nii", "0/b.nii", "1/c.nii", "1/d.nii", "2/e.nii", "2/f.nii", "3/g.nii")


def test_seven_volumes_are_divided_with_what_is_missing_or_refused_with_the_reason(
    shell: Shell,
    tmp_path: Path,
) -> None:
    folder, out = volumes(tmp_path / "seven", *SEVEN), tmp_path / "split.csv"
    status, said, _ = shell("split", folder, "--by", "subject", "--ordered", "--out", out)
    assert status == 0
    assert "every file is taken for one person" in said
    assert "WARNING: 3 (1 person) is not in the val or test part: nothing is measured of it there" in said
    split = read_split(out)
    assert set(split["part"]) == {"train", "val", "test"}
    assert task_of_table(split).ordered
    status, said, error = shell("split", folder, "--by", "slice", "--out", tmp_path / "other.csv")
    assert (status, said) == (1, "")
    last = error.splitlines()[-1]  # after split-folders' bar
    assert last.startswith("stagelens: a split by slice would leave no scans for val and test")
    assert not (tmp_path / "other.csv").exists()


@pytest.mark.parametrize("how", ["table", "pattern"])
def test_people_are_named_on_the_command_line(shell: Shell, tmp_path: Path, how: str) -> None:
    names = [f"{label}/{person}{visit}.nii" for label in "xy" for person in "abcde" for visit in "12"]
    folder, out = volumes(tmp_path / "c", *names), tmp_path / "split.csv"
    (tmp_path / "ids.csv").write_text("Image;PTID\n" + "".join(f"{name};{name[:3]}\n" for name in names))
    named = {
        "table": ("--subjects", tmp_path / "ids.csv"),
        "pattern": ("--subject-pattern", r"(?P<subject>\w/\w)(?P<session>\d)"),
    }[how]
    status, said, _ = shell("split", folder, "--out", out, "--json", *named)
    assert status == 0
    assert json.loads(said)["by"] == "subject"
    split = read_split(out)
    assert split["subject"].nunique() == 10
    assert (split.groupby("subject")["part"].nunique() == 1).all()


def test_copies_across_the_parts_a_set_came_in_are_named_and_dropped(shell: Shell, tmp_path: Path) -> None:
    names = [
        f"{part}/{label}/{part}{number}.nii" for part in ("train", "test") for label in "xy" for number in range(9)
    ]
    folder, out = volumes(tmp_path / "c", *names), tmp_path / "split.csv"
    (folder / "train/x/train1.nii").write_bytes((folder / "test/x/test1.nii").read_bytes())
    status, said, _ = shell("split", folder, "--out", out)
    assert status == 0
    assert said.startswith("split by folder")
    assert "1 groups of copies lie in several parts" in said
    _, said, _ = shell("split", folder, "--out", out, "--drop-copies")
    assert "1 files were left out" in said
    kept = set(read_split(out)["path"].map(lambda path: Path(path).relative_to(folder).as_posix()))
    assert len(kept) == 35
    assert "train/x/train1.nii" not in kept
