from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cohorts.tasks import ALZHEIMER
from core.evaluation.confounders import known_subjects
from core.evaluation.evaluation import evaluate
from core.evaluation.predictions import Predictions, predictions_for
from core.evaluation.subgroups import by_height, by_part, overfitting
from core.reporting.text.evaluation import confounder_text, standing_text, subgroup_text

from ..conftest import tiny_recipe

PEOPLE, SLICES = 40, 12


def predictions(*, overfitting: float, low: float = 1.0, high: float = 1.0, name: str = "tiny") -> Predictions:
    """People of four stages in three parts, and a network that knows those of training far better than the others a
    little, as much as `low` says at the lowest slice and `high` at the highest.
    """
    rng, everybody = np.random.default_rng(0), range(3 * PEOPLE)
    stage, part = np.arange(3 * PEOPLE) % 4, np.repeat(["train", "val", "test"], PEOPLE)
    table = pd.DataFrame({"path": [f"/x/{person}_{index}.png" for person in everybody for index in range(SLICES)],
                          "label": np.repeat(np.array(ALZHEIMER.classes)[stage], SLICES),
                          "subject": np.repeat([f"P{person:03d}" for person in everybody], SLICES),
                          "part": np.repeat(part, SLICES),
                          "slice": np.tile(np.arange(1, SLICES + 1), 3 * PEOPLE)})  # fmt: skip
    skill = np.repeat(np.where(part == "train", overfitting, 1.0), SLICES) * np.tile(
        np.linspace(low, high, SLICES), 3 * PEOPLE
    )
    of_person = np.repeat(rng.normal(size=(3 * PEOPLE, 4)), SLICES, axis=0)
    logits = skill[:, None] * np.eye(4)[np.repeat(stage, SLICES)] + of_person + 0.5 * rng.normal(size=(len(table), 4))
    for index, title in enumerate(ALZHEIMER.classes):
        table[f"logit {title}"] = logits[:, index]
    return Predictions(name, "A tiny network", tiny_recipe(), "test", [table])


def test_overfitting_is_seen_beside_what_generalises() -> None:
    parts = by_part(predictions(overfitting=9))
    assert [one.part for one in parts] == ["train", "val", "test"]
    train, _, test = (one.by_slice for one in parts)
    assert (train.n, train.people) == (PEOPLE * SLICES, PEOPLE)
    assert train["accuracy"].value > 0.99 > 0.7 > test["accuracy"].value
    (warning,) = overfitting(parts)
    assert "It overfits" in warning
    assert overfitting(by_part(predictions(overfitting=1))) == []


def test_where_in_the_head_it_is_right() -> None:
    found = by_height(predictions(overfitting=1, low=0, high=6))
    assert [(one.lowest, one.highest) for one in found] == [(1, 3), (4, 6), (7, 9), (10, 12)]
    accuracies = [one.by_slice["accuracy"].value for one in found]
    assert accuracies == sorted(accuracies)
    assert accuracies[0] < 0.5 < 0.8 < accuracies[-1]
    unknown = predictions(overfitting=1)
    unknown.folds[0]["slice"] = ""
    assert by_height(unknown) == []
    assert "accuracy at slices 10 to 12" in subgroup_text(evaluate(predictions(overfitting=1, low=0, high=6)))


def test_networks_stand_beside_each_other_and_beside_age(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"person": [f"P{person:03d}" for person in range(3 * PEOPLE)],
                          "age": rng.uniform(45, 95, 3 * PEOPLE)})  # fmt: skip
    table.to_csv(tmp_path / "people.csv", index=False)
    people = known_subjects(tmp_path / "people.csv", aged_from=60, unknown_age=None)
    found = evaluate(
        predictions(overfitting=1), people, beside=[predictions(overfitting=1, low=3, high=3, name="better")]
    )
    assert found.confounders is not None
    assert found.by_subject is not None
    of_age = [one for one in found.confounders.subgroups if one.fact == "age"]
    assert [one.kind for one in of_age] == ["under 60", "60 to 69", "70 to 79", "80 and over"]
    assert sum(one.metrics.people for one in of_age) == PEOPLE
    right = sum(one.metrics["accuracy"].value * one.metrics.people for one in of_age) / PEOPLE
    assert right == pytest.approx(found.by_subject["accuracy"].value)
    assert "accuracy by subject, age 70 to 79" in confounder_text(found.confounders)
    rows = found.standing()
    assert [row.what for row in rows if row.group == "everybody tested"] == [
        "tiny", "age alone, on the people of tiny", "better", "age alone, on the people of better"
    ]  # fmt: skip
    auc = {(row.group, row.what): row.auc.value for row in rows}
    assert auc["everybody tested", "better"] > auc["everybody tested", "tiny"]
    assert len({row.group for row in rows}) == 2
    assert all(row.auc.low <= row.auc.value <= row.auc.high for row in rows)
    assert "AUC, impaired or not, by subject, people of 60 and over:" in standing_text(rows)


def test_a_part_that_is_not_in_the_split_is_one_sentence(tmp_path: Path) -> None:
    from core.errors import StageLensError

    table = (
        predictions(overfitting=1)
        .folds[0][["path", "label", "subject", "slice"]]
        .assign(part="train", by="subject", seed=1)
    )
    table.to_csv(tmp_path / "split.csv", index=False)
    with pytest.raises(StageLensError, match="has no test part"):
        predictions_for("any", tmp_path / "split.csv")
