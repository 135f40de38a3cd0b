import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    cohen_kappa_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    precision_recall_fscore_support,
    precision_score,
    roc_auc_score,
)

from core.cohorts.tasks import Task
from core.evaluation.bootstrap import draw_people, estimate, weighted_auc
from core.evaluation.metrics import slice_metrics, subject_metrics
from core.evaluation.scored import Scored
from core.results import write

CLASSES = ("a", "b", "c")


def scored(y_true: np.ndarray, logits: np.ndarray, subjects: np.ndarray, *, ordered: bool = False) -> Scored:
    return Scored(y_true, logits, subjects, Task(CLASSES, "letters", "Which letter?", ordered=ordered))


def simulated(seed: int = 0, people: int = 60, slices: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, people)
    logits = rng.normal(size=(people, 3)) + 1.2 * np.eye(3)[truth]
    subjects = np.repeat([f"P{person}" for person in range(people)], slices)
    noisy = np.repeat(logits, slices, axis=0) + 0.3 * rng.normal(size=(people * slices, 3))
    return np.repeat(truth, slices), noisy.astype(np.float32), subjects


def test_the_metrics_are_those_of_scikit_learn() -> None:
    y_true, logits, subjects = simulated()
    metrics = slice_metrics(scored(y_true, logits, subjects))
    probabilities = np.exp(logits.astype(float))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert metrics["accuracy"].value == pytest.approx(accuracy_score(y_true, logits.argmax(1)), abs=1e-9)
    assert metrics["balanced_accuracy"].value == pytest.approx(
        balanced_accuracy_score(y_true, logits.argmax(1)), abs=1e-9
    )
    assert metrics["auc"].value == pytest.approx(roc_auc_score(y_true, probabilities, multi_class="ovr"), abs=1e-9)
    y_pred = logits.argmax(1)
    ordered = slice_metrics(scored(y_true, logits, subjects, ordered=True))
    for name, expected in {
        "precision": precision_score(y_true, y_pred, average="macro"),
        "f1": f1_score(y_true, y_pred, average="macro"),
        "kappa": cohen_kappa_score(y_true, y_pred, weights="quadratic"),
        "stage_error": mean_absolute_error(y_true, y_pred),
        "log_loss": log_loss(y_true, probabilities),
        "brier": sum(brier_score_loss(y_true == index, probabilities[:, index]) for index in range(3)),
        "auc_impaired": roc_auc_score(y_true > 0, 1 - probabilities[:, 0]),
        "specificity": np.mean([accuracy_score(y_pred[y_true != index] != index, [True] * (y_true != index).sum())
                                for index in range(3)]),
    }.items():  # fmt: skip
        assert ordered.estimates[name].value == pytest.approx(expected, abs=1e-9), name
    precision, recall, f1, _ = precision_recall_fscore_support(y_true, y_pred)
    for index, name in enumerate(CLASSES):
        found = ordered.by_class[name]
        assert found["precision"].value == pytest.approx(precision[index], abs=1e-9)
        assert found["recall"].value == pytest.approx(recall[index], abs=1e-9)
        assert found["f1"].value == pytest.approx(f1[index], abs=1e-9)
        assert found["auc"].value == pytest.approx(roc_auc_score(y_true == index, probabilities[:, index]), abs=1e-9)


def test_areas_of_weighted_scores_with_ties_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    positive, score = rng.random(300) < 0.4, rng.integers(0, 12, 300) / 11
    weights = rng.integers(0, 4, (5, 300))
    expected = [roc_auc_score(positive, score, sample_weight=weight) for weight in weights]
    np.testing.assert_allclose(weighted_auc(positive, score, weights), expected, atol=1e-12)
    weights[0, positive] = 0
    assert np.isnan(weighted_auc(positive, score, weights)[0])


def test_intervals_over_people_cover_the_truth_and_those_over_slices_do_not() -> None:
    rng = np.random.default_rng(4)
    people, slices, cohorts = 100, 16, 1000
    hardness = rng.beta(2, 1.2, (cohorts, people))  # each person's slices are right with a chance of their own
    right = rng.binomial(slices, hardness) / slices
    truth = 2 / 3.2
    draws = draw_people(people)
    found = [estimate(float(one.mean()), draws @ one / people) for one in right]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.93 <= covered <= 0.97
    naive = 1.96 * np.sqrt(right.mean(1) * (1 - right.mean(1)) / (people * slices))
    assert np.mean(np.abs(right.mean(1) - truth) <= naive) < 0.75


def test_a_person_counts_once_on_the_mean_of_their_logits() -> None:
    y_true = np.array([0, 0, 1, 1, 2])
    logits = np.array([[3, 0, 0], [-1, 0, 0], [0, 1, 2], [0, 1, -1], [0, 5, 0]], np.float32)
    metrics = subject_metrics(scored(y_true, logits, np.array(["x", "x", "y", "y", "z"])))
    assert metrics is not None
    assert metrics.n == 3
    assert metrics.confusion == ((1, 0, 0), (0, 1, 0), (0, 1, 0))
    assert metrics.estimates["accuracy"].value == pytest.approx(2 / 3)


def test_copies_of_a_persons_slices_do_not_narrow_the_interval() -> None:
    few, many = simulated(people=40, slices=2), simulated(people=40, slices=32)

    def width(data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> float:
        estimate = slice_metrics(scored(*data)).estimates["accuracy"]
        return estimate.high - estimate.low

    assert width(many) > 0.7 * width(few)
    alone = (*many[:2], np.array([str(row) for row in range(len(many[0]))]))
    assert width(alone) < 0.4 * width(many)  # what slices taken for people would claim


def test_an_undefined_metric_is_null_with_its_reason_and_never_zero() -> None:
    y_true, logits, subjects = (
        np.zeros(6, int),
        np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 0, 0]],
        np.array(list("aabbcc")),
    )
    metrics = slice_metrics(scored(y_true, logits, subjects))
    assert write(metrics)["estimates"]["auc"]["value"] is None
    assert metrics.estimates["auc"].reason == "the part holds one class only"
    assert not metrics.by_class["b"]["recall"].defined
    assert "b: no person of this class in this part; not averaged." in metrics.notes


def test_unknown_people_are_said() -> None:
    y_true, logits, subjects = simulated()
    nobody = np.full(len(subjects), "")
    assert subject_metrics(scored(y_true, logits, nobody)) is None
    assert "too narrow" in slice_metrics(scored(y_true, logits, nobody)).notes[0]


def test_the_interval_is_repeatable_and_holds_the_value() -> None:
    first, again = (slice_metrics(scored(*simulated())) for _ in range(2))
    assert first == again
    for one in first.estimates.values():
        assert one.low <= one.value <= one.high
