"""What a table of people may say besides who they are."""

from pathlib import Path

import numpy as np
import pytest

from core.cohorts.covariates import covariates_of, read_subjects
from core.errors import CohortError


def test_the_mmse_is_read_by_its_usual_names_and_given_to_whoever_asks_for_it(tmp_path: Path) -> None:
    table = tmp_path / "people.csv"
    table.write_text("PTID,AGE,MMSCORE\nA,70,29\nB,,\nC,81,14.5\n")
    people = read_subjects(table)
    assert people["mmse"].tolist()[::2] == [29.0, 14.5]
    assert people.attrs["unused"] == ()
    paths, subjects = ["a.png", "c.png", "b.png"], ["A", "C", "B"]
    assert list(covariates_of(people, paths, subjects)) == ["age"]
    found = covariates_of(people, paths, subjects, names=("age", "mmse"))
    assert found["mmse"].tolist()[:2] == [29.0, 14.5]
    assert np.isnan(found.to_numpy(float)[2]).all()


@pytest.mark.parametrize("score", ["31", "-1"])
def test_an_impossible_mmse_is_refused_with_its_line(tmp_path: Path, score: str) -> None:
    table = tmp_path / "people.csv"
    table.write_text(f"subject,age,mmse\nA,70,29\nB,71,{score}\n")
    with pytest.raises(CohortError, match=rf"line 3: the MMSE {score} is impossible; expected points from 0 to 30"):
        read_subjects(table)
