"""How right a network is, by slice and by person, each figure with a 95 % interval over people.

Slices of one person are not independent, so intervals come from resampling whole people (Efron and Tibshirani 1993,
chapter 8; percentile interval), and the figure by person counts each person once, on the mean of the logits of all
their slices.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import confusion_matrix, roc_auc_score

REPLICATES = 1000
LEVEL = 0.95
METHOD = "percentile bootstrap over people"
FEW = 5  # a class with fewer people than this says nothing for itself


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval.

    Attributes:
        value: The figure; NaN when undefined.
        low: Lower end of the 95 % interval; NaN when undefined.
        high: Upper end.
        reason: Why it is undefined, or "".
    """

    value: float
    low: float
    high: float
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Figures:
    """The figures of one way of counting.

    Attributes:
        unit: "slice" or "person": what is counted.
        n: How many of them.
        n_people: How many people stand behind them.
        estimates: accuracy, balanced_accuracy and auc (macro mean, one class against the rest).
        auc_by_class: Area under the ROC curve of each class against the rest; NaN where undefined.
        confusion: int64, classes × classes, rows are the truth.
        classes: Names of rows and columns.
        notes: What limits the figures.
    """

    unit: str
    n: int
    n_people: int
    estimates: dict[str, Estimate]
    auc_by_class: dict[str, float]
    confusion: NDArray[np.int64]
    classes: tuple[str, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; undefined figures are null."""
        return {
            "unit": self.unit,
            "n": self.n,
            "people": self.n_people,
            **{name: _number(estimate.value) for name, estimate in self.estimates.items()},
            "intervals": {
                name: [_number(estimate.low), _number(estimate.high)] for name, estimate in self.estimates.items()
            },
            "interval_level": LEVEL,
            "interval_method": METHOD,
            "auc_by_class": {name: _number(value) for name, value in self.auc_by_class.items()},
            "recall_by_class": {name: _number(value) for name, value in _recalls(self).items()},
            "confusion": self.confusion.tolist(),
            "classes": list(self.classes),
            "notes": list(self.notes),
        }


def figures_by_slice(
    y_true: NDArray[np.int64], logits: NDArray[np.float32], subjects: NDArray[np.str_], classes: tuple[str, ...]
) -> Figures:
    """Count every slice.

    Args:
        y_true: N places in `classes`.
        logits: N × classes.
        subjects: N names of people; where "" each slice counts as a person of its own.
        classes: Names of the classes.
    """
    return _figures("slice", y_true, logits, _person_numbers(subjects), classes, known=bool((subjects != "").all()))


def figures_by_person(
    y_true: NDArray[np.int64], logits: NDArray[np.float32], subjects: NDArray[np.str_], classes: tuple[str, ...]
) -> Figures | None:
    """Count every person once, on the mean of the logits of their slices; None where people are not known.

    Args and meaning as for `figures_by_slice`. A person's truth is the label of most of their slices.
    """
    if (subjects == "").any():
        return None
    people = _person_numbers(subjects)
    n_people = int(people.max()) + 1
    counts = np.zeros((n_people, len(classes)))
    np.add.at(counts, (people, y_true), 1)
    sums = np.zeros((n_people, len(classes)))
    np.add.at(sums, people, logits)
    means = sums / counts.sum(axis=1, keepdims=True)
    return _figures("person", counts.argmax(axis=1), means, np.arange(n_people), classes, known=True)


def _person_numbers(subjects: NDArray[np.str_]) -> NDArray[np.int64]:
    own = np.array([f"slice {row}" if name == "" else name for row, name in enumerate(subjects)])
    return np.unique(own, return_inverse=True)[1]


def _figures(
    unit: str,
    y_true: NDArray[np.int64],
    logits: NDArray[np.floating],
    people: NDArray[np.int64],
    classes: tuple[str, ...],
    *,
    known: bool,
) -> Figures:
    n_classes, n_people = len(classes), int(people.max()) + 1
    y_pred, probabilities = logits.argmax(axis=1), softmax(logits.astype(np.float64), axis=1)
    by_person = np.zeros((n_people, n_classes, n_classes))
    np.add.at(by_person, (people, y_true, y_pred), 1)
    draws = np.random.default_rng(0).multinomial(n_people, np.full(n_people, 1 / n_people), size=REPLICATES)
    resampled = np.einsum("bp,pij->bij", draws, by_person)
    confusion = confusion_matrix(y_true, y_pred, labels=range(n_classes))
    auc_by_class = {
        name: _auc(y_true == place, probabilities[:, place], np.ones(len(y_true))) for place, name in enumerate(classes)
    }
    aucs = np.array([_macro_auc(y_true, probabilities, draw[people].astype(float)) for draw in draws])
    defined = [value for value in auc_by_class.values() if np.isfinite(value)]
    reason = "" if defined else "the part holds one class only"
    estimates = {
        "accuracy": _estimate(_accuracy(confusion[None])[0], _accuracy(resampled)),
        "balanced_accuracy": _estimate(_balanced(confusion[None])[0], _balanced(resampled)),
        "auc": _estimate(float(np.mean(defined)) if defined else float("nan"), aucs, reason),
    }
    notes = _notes(y_true, people, classes, known=known)
    return Figures(unit, len(y_true), n_people, estimates, auc_by_class, confusion, classes, notes)


def _accuracy(confusion: NDArray[np.floating]) -> NDArray[np.float64]:
    accuracy: NDArray[np.float64] = np.trace(confusion, axis1=1, axis2=2) / confusion.sum(axis=(1, 2))
    return accuracy


def _balanced(confusion: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean recall over the classes that are present (Brodersen 2010), for a stack of confusion matrices."""
    support = confusion.sum(axis=2)
    recall = np.diagonal(confusion, axis1=1, axis2=2) / np.maximum(support, 1)
    balanced: NDArray[np.float64] = recall.sum(axis=1) / (support > 0).sum(axis=1)
    return balanced


def _auc(positive: NDArray[np.bool_], score: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Area under the ROC curve; NaN when a class has no weight."""
    if weight[positive].sum() == 0 or weight[~positive].sum() == 0:
        return float("nan")
    drawn = weight > 0
    return float(roc_auc_score(positive[drawn], score[drawn], sample_weight=weight[drawn]))


def _macro_auc(y_true: NDArray[np.int64], probabilities: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    areas = [_auc(y_true == place, probabilities[:, place], weight) for place in range(probabilities.shape[1])]
    defined = [area for area in areas if np.isfinite(area)]
    return float(np.mean(defined)) if defined else float("nan")


def _estimate(value: float, replicates: NDArray[np.float64], reason: str = "") -> Estimate:
    defined = replicates[np.isfinite(replicates)]
    if not np.isfinite(value) or len(defined) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), reason)
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(low), float(high))


def _notes(
    y_true: NDArray[np.int64], people: NDArray[np.int64], classes: tuple[str, ...], *, known: bool
) -> tuple[str, ...]:
    notes = [] if known else ["People are not known: the intervals take every slice for a person and are too narrow."]
    for place, name in enumerate(classes):
        n_people = len(set(people[y_true == place].tolist()))
        if n_people == 0:
            notes.append(f"{name}: nobody in this part; left out of the means.")
        elif known and n_people < FEW:
            notes.append(f"{name}: {n_people} people in this part; too few to judge.")
    return tuple(notes)


def _recalls(figures: Figures) -> dict[str, float]:
    support = figures.confusion.sum(axis=1)
    recall = np.where(support > 0, np.diag(figures.confusion) / np.maximum(support, 1), np.nan)
    return dict(zip(figures.classes, recall.tolist(), strict=True))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
