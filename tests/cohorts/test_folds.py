from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cohorts import audit_folder, holds_volumes, split_by_folder, volume_table
from core.cohorts.folds import folds_by_subject
from core.errors import CohortError


def table(people: int = 12, slices: int = 3) -> pd.DataFrame:
    rows = [
        (f"{person}/{number}.png", "Non Demented" if person % 2 else "Mild Demented", f"P{person}", number)
        for person in range(people)
        for number in range(slices)
    ]
    return pd.DataFrame(rows, columns=["path", "label", "subject", "slice"])


def test_everybody_is_tested_once_per_repeat_and_nobody_is_in_two_parts() -> None:
    folds = list(folds_by_subject(table(), folds=4, repeats=2, seed=1))
    assert [fold.name for fold in folds][:5] == [*(f"repeat1_fold{n}" for n in range(1, 5)), "repeat2_fold1"]
    for fold in folds:
        assert fold.split.groupby("subject")["part"].nunique().eq(1).all()
        assert set(fold.split["part"]) == {"train", "val", "test"}
        assert fold.split.loc[fold.split["part"] == "test", "label"].nunique() == 2
    for repeat in (1, 2):
        tested = pd.concat([f.split[f.split["part"] == "test"] for f in folds if f.repeat == repeat])
        assert sorted(tested["path"]) == sorted(table()["path"])
    first, second = (folds[number].split["part"].to_numpy() for number in (0, 4))
    assert not np.array_equal(first, second)
    again = next(folds_by_subject(table(), folds=4, repeats=2, seed=1))
    np.testing.assert_array_equal(again.split["part"].to_numpy(), first)


def test_more_folds_than_people_are_rejected() -> None:
    with pytest.raises(CohortError, match="13 folds need at least 13 people; there are 12"):
        next(folds_by_subject(table(), folds=13, repeats=1, seed=1))


def test_a_split_by_folder_keeps_the_parts_the_files_came_in(slice_cohort: Path, tmp_path: Path) -> None:
    for path in sorted(slice_cohort.rglob("*.png")):
        part = "Testing" if int(path.stem.split("_")[0][-1], 36) % 3 == 0 else "Training"
        target = tmp_path / part / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    found = audit_folder(tmp_path).table
    split = split_by_folder(found, seed=1)
    came = found["came_in"].map({"Training": "train", "Testing": "test"})
    kept = split["part"] != "val"
    assert (split.loc[kept, "part"] == came[kept]).all()
    assert (came[~kept] == "train").all()
    assert set(split.loc[~kept, "label"]) == set(split["label"])
    assert set(split["by"]) == {"folder"}
    with pytest.raises(CohortError, match="a train and a test folder"):
        split_by_folder(found.assign(came_in=""), seed=1)


@pytest.mark.parametrize("known", ["subject", "copies"])
def test_a_split_by_folder_validates_on_nothing_that_was_trained_on(known: str) -> None:
    """People, or near copies where people are not known, are trained on or validate, never both."""
    rows = [(label, f"{label} {group}", file) for label in "ab" for group in range(60) for file in range(1 + group % 5)]
    found = pd.DataFrame(rows, columns=["label", "group", "file"]).assign(came_in="Training", slice="", subject="")
    found["path"] = [f"{group} {file}.png" for group, file in zip(found["group"], found["file"], strict=True)]
    found[known] = found["group"]
    split = split_by_folder(pd.concat([found, found.tail(1).assign(came_in="Testing", path="t.png")]), seed=1)
    group = found["group"].to_numpy()
    trained, validated = (set(group[(split["part"] == part).to_numpy()[:-1]]) for part in ("train", "val"))
    assert not trained & validated
    fractions = (split["part"] == "val")[:-1].groupby(found["label"]).mean()
    np.testing.assert_allclose(fractions, 0.1, atol=0.02)


def test_volumes_are_listed_with_their_people_and_copies(tmp_path: Path) -> None:
    from core.scans.writing import write_nifti

    for name, value in (("Non/a.nii.gz", 1), ("Non/b.nii.gz", 2), ("Mild/c.nii.gz", 2)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_nifti(tmp_path / name, np.full((8, 8, 8), value, np.uint8), np.eye(4))
    assert holds_volumes(tmp_path)
    listed = volume_table(tmp_path)
    assert listed["subject"].tolist() == ["c", "a", "b"]
    copies = listed.set_index("subject")["copies"]
    assert copies["a"] == ""
    assert copies["b"] == copies["c"] != ""
