import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from core.evaluation.metrics import figures_by_person, figures_by_slice

CLASSES = ("a", "b", "c")


def simulated(seed: int = 0, people: int = 60, slices: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, people)
    logits = rng.normal(size=(people, 3)) + 1.2 * np.eye(3)[truth]
    subjects = np.repeat([f"P{person}" for person in range(people)], slices)
    noisy = np.repeat(logits, slices, axis=0) + 0.3 * rng.normal(size=(people * slices, 3))
    return np.repeat(truth, slices), noisy.astype(np.float32), subjects


def test_the_figures_are_those_of_scikit_learn() -> None:
    y_true, logits, subjects = simulated()
    figures = figures_by_slice(y_true, logits, subjects, CLASSES).as_dict()
    probabilities = np.exp(logits.astype(float))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert figures["accuracy"] == pytest.approx(accuracy_score(y_true, logits.argmax(1)), abs=1e-9)
    assert figures["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y_true, logits.argmax(1)), abs=1e-9)
    assert figures["auc"] == pytest.approx(roc_auc_score(y_true, probabilities, multi_class="ovr"), abs=1e-9)


def test_a_person_counts_once_on_the_mean_of_their_logits() -> None:
    y_true = np.array([0, 0, 1, 1, 2])
    logits = np.array([[3, 0, 0], [-1, 0, 0], [0, 1, 2], [0, 1, -1], [0, 5, 0]], np.float32)
    figures = figures_by_person(y_true, logits, np.array(["x", "x", "y", "y", "z"]), CLASSES)
    assert figures is not None
    assert figures.n == 3
    assert figures.confusion.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    assert figures.estimates["accuracy"].value == pytest.approx(2 / 3)


def test_copies_of_a_persons_slices_do_not_narrow_the_interval() -> None:
    few, many = simulated(people=40, slices=2), simulated(people=40, slices=32)

    def width(data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> float:
        estimate = figures_by_slice(*data, CLASSES).estimates["accuracy"]
        return estimate.high - estimate.low

    assert width(many) > 0.7 * width(few)
    alone = (*many[:2], np.array([str(row) for row in range(len(many[0]))]))
    assert width(alone) < 0.4 * width(many)  # what slices taken for people would claim


def test_an_undefined_figure_is_null_with_its_reason_and_never_zero() -> None:
    y_true, logits, subjects = (
        np.zeros(6, int),
        np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 0, 0]],
        np.array(list("aabbcc")),
    )
    figures = figures_by_slice(y_true, logits, subjects, CLASSES)
    assert figures.as_dict()["auc"] is None
    assert figures.estimates["auc"].reason == "the part holds one class only"
    assert figures.as_dict()["recall_by_class"]["b"] is None
    assert "b: nobody in this part; left out of the means." in figures.notes


def test_unknown_people_are_said() -> None:
    y_true, logits, subjects = simulated()
    nobody = np.full(len(subjects), "")
    assert figures_by_person(y_true, logits, nobody, CLASSES) is None
    assert "too narrow" in figures_by_slice(y_true, logits, nobody, CLASSES).notes[0]


def test_the_interval_is_repeatable_and_holds_the_value() -> None:
    first, again = (figures_by_slice(*simulated(), CLASSES).as_dict() for _ in range(2))
    assert first == again
    for name, (low, high) in first["intervals"].items():
        assert low <= first[name] <= high
