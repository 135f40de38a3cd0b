from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cohorts import (
    audit_folder,
    read_split,
    split_by_slice,
    split_by_subject,
    split_hash,
    subject_overlap,
    write_folders,
)
from core.errors import CohortError


@pytest.fixture(scope="module")
def table(slice_cohort: Path) -> pd.DataFrame:
    return audit_folder(slice_cohort).table


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    counts=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6)), min_size=8, max_size=40),
)
def test_a_split_by_subject_never_has_a_person_in_two_parts(seed: int, counts: list[tuple[int, int]]) -> None:
    rows = [
        (f"{person}/{number}.png", f"class {label}", f"P{person}", number + 1)
        for person, (label, slices) in enumerate(counts)
        for number in range(slices)
    ]
    table = pd.DataFrame(rows, columns=["path", "label", "subject", "slice"])
    split = split_by_subject(table, seed=seed)
    assert (split.groupby("subject")["part"].nunique() == 1).all()
    assert set(split["part"]) == {"train", "val", "test"}
    found = subject_overlap(split)
    assert found is not None
    assert (found.overlap, found.seen) == (0, 0)


def test_the_same_seed_gives_the_same_parts_and_another_seed_others(table: pd.DataFrame) -> None:
    first, again, other = (split_hash(split_by_subject(table, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_a_split_by_slice_of_the_alzheimer_set_has_the_published_supports(tmp_path: Path) -> None:
    counts = {"Non Demented": 3200, "Very Mild Demented": 2240, "Mild Demented": 896, "Moderate Demented": 64}
    rows = [
        (str(tmp_path / f"{label} {number}.png"), label) for label, count in counts.items() for number in range(count)
    ]
    for path, _ in rows:
        Path(path).touch()
    table = pd.DataFrame(rows, columns=["path", "label"]).assign(subject="", slice=0)
    test = split_by_slice(table, seed=1).query("part == 'test'")["label"].value_counts()
    published = {"Non Demented": 640, "Very Mild Demented": 448, "Mild Demented": 179, "Moderate Demented": 12}
    assert test.to_dict() == published


def test_a_split_by_slice_counts_the_people_in_several_parts(table: pd.DataFrame) -> None:
    split = split_by_slice(table, seed=1)
    assert split["part"].value_counts().to_dict() == {"train": 158, "val": 36, "test": 46}
    found = subject_overlap(split)
    assert found is not None
    assert found.overlap == 20
    assert f"{found.seen} of 46 test slices" in found.sentence()
    assert split_hash(split) == split_hash(split_by_slice(table, seed=1))


def test_near_copies_stay_together_if_people_are_unknown(table: pd.DataFrame) -> None:
    unknown = table.assign(subject="", copies=table["subject"])
    split = split_by_subject(unknown, seed=1)
    assert (split.assign(group=table["subject"]).groupby("group")["part"].nunique() == 1).all()
    assert subject_overlap(split) is None


@pytest.mark.parametrize("by", ["subject", "slice"])
def test_folders_hold_the_files_of_the_table(table: pd.DataFrame, tmp_path: Path, by: str) -> None:
    out = tmp_path / "out"
    if by == "slice":
        split = split_by_slice(table, seed=1, folders=out)
    else:
        split = split_by_subject(table, seed=1)
        write_folders(split, out)
    on_disk = {path.relative_to(out).as_posix() for path in out.glob("*/*/*")}
    wanted = {
        f"{part}/{label}/{Path(path).name}"
        for path, label, part in split[["path", "label", "part"]].itertuples(index=False)
    }
    assert on_disk == wanted
    assert not any(path.is_symlink() for path in out.rglob("*"))
    with pytest.raises(CohortError, match="not empty"):
        write_folders(split, out)


def test_a_table_survives_the_disk_and_a_moved_folder(table: pd.DataFrame, tmp_path: Path) -> None:
    split = split_by_subject(table, seed=1)
    split.to_csv(tmp_path / "split.csv", index=False)
    read = read_split(tmp_path / "split.csv")
    pd.testing.assert_frame_equal(read, split.reset_index(drop=True), check_dtype=False)
    moved = read.assign(path="/elsewhere" + read["path"])
    assert split_hash(moved) == split_hash(split)


@pytest.mark.parametrize(
    "text", ["", "path,label\na,b\n", "path,label,subject,slice,part,by,seed\na,b,,1,holdout,slice,1\n"]
)
def test_a_file_that_is_not_a_split_table_gives_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(CohortError, match=r"t\.csv"):
        read_split(tmp_path / "t.csv")


def test_a_scan_that_a_table_names_twice_is_refused_with_both_lines(table: pd.DataFrame, tmp_path: Path) -> None:
    split = split_by_subject(table, seed=1)
    pd.concat([split, split.iloc[[3]].assign(part="test")]).to_csv(tmp_path / "t.csv", index=False)
    said = rf"line {len(split) + 2}: .*{Path(split['path'][3]).name} is in line 5 already"
    with pytest.raises(CohortError, match=said):
        read_split(tmp_path / "t.csv")


def test_too_few_people_cannot_be_split() -> None:
    table = pd.DataFrame({"path": list("abcd"), "label": "x", "subject": list("1234"), "slice": 1})
    with pytest.raises(CohortError, match="at least 5 people"):
        split_by_subject(table, seed=1)
