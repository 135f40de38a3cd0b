from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cohorts.tasks import ALZHEIMER
from core.errors import StageLensError
from core.evaluation.comparison import compare
from core.evaluation.predictions import predictions_of_run
from core.reporting.plots.evaluation import forest
from core.reporting.text.evaluation import comparison_text

from ..conftest import tiny_recipe, write_finished_run


def write_run(folder: Path, skill: float, *, people: int = 60, seed: int = 1, task: str = "alzheimer") -> Path:
    """Write what a run keeps: a network of some skill, tested on four slices of each person."""
    rng = np.random.default_rng(seed)
    stage = np.arange(people) % 3
    table = pd.DataFrame({"path": [f"/x/{person}_{index}.png" for person in range(people) for index in range(4)],
                          "label": np.repeat(np.array(ALZHEIMER.classes)[stage], 4),
                          "subject": np.repeat([f"P{person}" for person in range(people)], 4),
                          "part": "test"})  # fmt: skip
    logits = np.repeat(skill * np.eye(4)[stage] + rng.normal(size=(people, 4)), 4, axis=0)
    for index, name in enumerate(ALZHEIMER.classes):
        table[f"logit {name}"] = logits[:, index] - (5 if index == 3 else 0)
    return write_finished_run(folder, table, tiny_recipe(task=task))


def test_the_better_of_two_is_found_and_nobody_counts_twice(tmp_path: Path) -> None:
    good, poor = write_run(tmp_path / "good", 4), write_run(tmp_path / "poor", 0.3, seed=2)
    found = compare(predictions_of_run(good), predictions_of_run(poor))
    assert (found.scans, found.people, found.left_out) == (240, 60, 0)
    assert list(found.differences) == [
        "Accuracy, by slice", "Accuracy, by subject", "AUC, impaired or not, by subject"
    ]  # fmt: skip
    assert all(one.low > 0 for one in found.differences.values())
    assert found.decisions is not None
    assert found.decisions.p < 1e-3
    assert found.impaired is not None
    assert found.impaired.p < 1e-3
    slices, people = found.accuracy_by_slice, found.accuracy_by_subject
    assert people is not None
    assert (slices.low, slices.high) == pytest.approx((people.low, people.high))  # a person's four slices are alike
    assert "tiny (good) minus tiny (poor), on 240 scans of 60 people" in comparison_text(found)
    assert len(forest(found.differences, axis="better").data[0].x) == 3


def test_a_run_is_no_better_than_itself(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1)
    found = compare(predictions_of_run(run), predictions_of_run(run))
    assert all(one.value == one.low == one.high == 0 for one in found.differences.values())
    assert found.impaired is not None
    assert np.isnan(found.impaired.p)
    assert found.as_dict()["impaired"]["p"] is None
    assert found.decisions is not None
    assert found.decisions.p == 1


def test_only_what_both_were_tested_on_is_compared(tmp_path: Path) -> None:
    many, few = write_run(tmp_path / "many", 1), write_run(tmp_path / "few", 1, people=30)
    found = compare(predictions_of_run(many), predictions_of_run(few))
    assert (found.scans, found.left_out) == (120, 120)
    assert "120 scans were tested by one of them only" in comparison_text(found)
    other = write_run(tmp_path / "other", 1)
    table = pd.read_csv(other / "predictions.csv")
    write_finished_run(other, table.assign(path=table["path"] + "x"), tiny_recipe())
    with pytest.raises(StageLensError, match="no scan in common"):
        compare(predictions_of_run(many), predictions_of_run(other))
    with pytest.raises(StageLensError, match="answer different questions"):
        compare(predictions_of_run(many), predictions_of_run(write_run(tmp_path / "tumours", 1, task="tumour")))


def rewritten(run: Path, **columns: pd.Series) -> Path:
    """Change columns of what a run said."""
    return write_finished_run(run, pd.read_csv(run / "predictions.csv").assign(**columns), tiny_recipe())


def test_people_are_paired_by_their_scans_whatever_they_are_called_and_in_whatever_order(tmp_path: Path) -> None:
    good, poor = (predictions_of_run(write_run(tmp_path / name, skill)) for name, skill in (("good", 4), ("poor", 0.3)))
    plain = compare(good, poor)
    table = pd.read_csv(tmp_path / "poor" / "predictions.csv")
    renamed = table["subject"].map(lambda name: f"Q{999 - int(name[1:])}")
    write_finished_run(tmp_path / "poor", table.assign(subject=renamed).sample(frac=1, random_state=1), tiny_recipe())
    found = compare(good, predictions_of_run(tmp_path / "poor"))
    assert replace(found, networks=plain.networks) == plain
    unknown = compare(good, predictions_of_run(rewritten(tmp_path / "poor", subject="")))
    assert (unknown.people, unknown.decisions) == (plain.people, plain.decisions)


@pytest.mark.parametrize("other", [lambda name: "P1" if name == "P2" else name, lambda name: f"P{int(name[1:]) // 2}"])
def test_other_groupings_and_other_classes_of_the_same_scans_are_refused(
    tmp_path: Path, other: Callable[[str], str]
) -> None:
    first, second = (write_run(tmp_path / name, 1) for name in ("first", "second"))
    table = pd.read_csv(second / "predictions.csv")
    rewritten(second, subject=table["subject"].map(other))
    for one, two in ((first, second), (second, first)):
        with pytest.raises(StageLensError, match="do not agree on which scans are of one person"):
            compare(predictions_of_run(one), predictions_of_run(two))
    rewritten(second, subject=table["subject"], label=table["label"].iloc[::-1].to_numpy())
    with pytest.raises(
        StageLensError, match=r"tiny \(second\) has another class than tiny \(first\) for \d+ of 240 scans"
    ):
        compare(predictions_of_run(first), predictions_of_run(second))


def test_scans_of_a_moved_folder_are_paired_by_how_their_paths_end(tmp_path: Path) -> None:
    first, second = (write_run(tmp_path / name, 1, seed=seed) for seed, name in enumerate(("first", "second")))
    plain = compare(predictions_of_run(first), predictions_of_run(second))
    table = pd.read_csv(second / "predictions.csv")
    rewritten(second, path="/elsewhere" + table["path"])
    found = compare(predictions_of_run(first), predictions_of_run(second))
    assert replace(found, warnings=()) == plain
    assert found.warnings == (
        "No path is the same for both: scans are paired by how their paths end, with folder and name.",
    )
