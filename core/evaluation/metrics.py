"""How right a network is, by slice and by person, each figure with a 95 % interval over people.

Slices of one person are not independent, so intervals come from resampling whole people (Efron and Tibshirani 1993,
chapter 8; percentile interval), and the figure by person counts each person once, on the mean of the logits of all
their slices. Every resample is a row of weights, so all figures of all resamples are a few matrix products.

Precision, recall, F1 and specificity are means over the classes that are present. Quadratic-weighted kappa: Cohen,
Psychological Bulletin 70:213, 1968. Brier score, the sum over the classes: Brier, Monthly Weather Review 78:1, 1950.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.metrics import confusion_matrix

from core.evaluation.auc import weighted_auc
from core.plain import number_or_none

REPLICATES = 2000
LEVEL = 0.95
METHOD = "percentile bootstrap over people"
FEW = 5  # a class with fewer people than this says nothing for itself
ONE_CLASS = "the part holds one class only"  # why a figure can be undefined
OF_CLASS = ("precision", "recall", "f1", "specificity", "auc")

Floats = NDArray[np.float64]


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

    @property
    def interval(self) -> list[float | None]:
        """Both ends for JSON; null where undefined."""
        return [number_or_none(self.low), number_or_none(self.high)]

    def as_dict(self, name: str = "value") -> dict[str, Any]:
        """Return plain values for JSON: the figure under a name of its own, and its `interval`."""
        return {name: number_or_none(self.value), "interval": self.interval}


@dataclass(frozen=True, eq=False)
class Metrics:
    """The figures of one way of counting.

    Attributes:
        unit: "slice" or "subject": what is counted.
        n: How many of them.
        n_people: How many people stand behind them.
        estimates: accuracy, balanced_accuracy, precision, f1, specificity, auc (all means over classes, one against the
            rest), brier and log_loss (natural logarithm); of ordered classes also kappa (quadratic weights),
            stage_error (mean absolute, in stages) and auc_impaired (any class but the first against it).
        by_class: `OF_CLASS` of each class against the rest.
        confusion: int64, classes × classes, rows are the truth.
        classes: Names of rows and columns.
        notes: What limits the figures.
    """

    unit: str
    n: int
    n_people: int
    estimates: dict[str, Estimate]
    by_class: dict[str, dict[str, Estimate]]
    confusion: NDArray[np.int64]
    classes: tuple[str, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; undefined figures are null."""
        return {
            "unit": self.unit,
            "n": self.n,
            "people": self.n_people,
            **{name: number_or_none(estimate.value) for name, estimate in self.estimates.items()},
            "intervals": {name: estimate.interval for name, estimate in self.estimates.items()},
            "interval_level": LEVEL,
            "interval_method": METHOD,
            "replicates": REPLICATES,
            **{f"{figure}_by_class": {name: number_or_none(of_class[figure].value) for name, of_class in self.by_class.items()}
               for figure in OF_CLASS},
            "intervals_by_class": {name: {figure: estimate.interval for figure, estimate in of_class.items()}
                                   for name, of_class in self.by_class.items()},
            "confusion": self.confusion.tolist(),
            "classes": list(self.classes),
            "notes": list(self.notes),
        }  # fmt: skip


def slice_metrics(
    y_true: NDArray[np.int64],
    logits: NDArray[np.floating],
    subjects: NDArray[np.str_],
    classes: tuple[str, ...],
    *,
    ordered: bool = False,
) -> Metrics:
    """Count every slice.

    Args:
        y_true: N places in `classes`.
        logits: N × classes.
        subjects: N names of people; where "" each slice counts as a person of its own.
        classes: Names of the classes.
        ordered: Whether they are stages, from the healthy one on.
    """
    known = bool((subjects != "").all())
    return _metrics("slice", y_true, logits, subject_numbers(subjects), classes, known=known, ordered=ordered)


def subject_metrics(
    y_true: NDArray[np.int64],
    logits: NDArray[np.floating],
    subjects: NDArray[np.str_],
    classes: tuple[str, ...],
    *,
    ordered: bool = False,
) -> Metrics | None:
    """Count every person once, on the mean of the logits of their slices; None where people are not known.

    Args and meaning as for `slice_metrics`. A person's truth is the label of most of their slices.
    """
    if (subjects == "").any():
        return None
    truth, means = subject_level(y_true, logits, subject_numbers(subjects))
    return _metrics("subject", truth, means, np.arange(len(truth)), classes, known=True, ordered=ordered)


def subject_numbers(subjects: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return a number from 0 for each person; a number of its own where no person is known."""
    own = np.array([f"slice {row}" if name == "" else name for row, name in enumerate(subjects)])
    return np.unique(own, return_inverse=True)[1]


def subject_level(
    y_true: NDArray[np.int64], logits: NDArray[np.floating], people: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Floats]:
    """Return each person's label (that of most of their slices) and the mean of their slices' logits."""
    counts = np.zeros((int(people.max()) + 1, logits.shape[1]))
    np.add.at(counts, (people, y_true), 1)
    sums = np.zeros_like(counts)
    np.add.at(sums, people, logits)
    return counts.argmax(axis=1), sums / counts.sum(axis=1, keepdims=True)


def draw_people(n_people: int, *, replicates: int = REPLICATES, seed: int = 0) -> NDArray[np.int64]:
    """Draw people with replacement: how often each is in each resample, replicates × people."""
    return np.random.default_rng(seed).multinomial(n_people, np.full(n_people, 1 / n_people), size=replicates)


def fraction_over_people(hits: NDArray[np.bool_], subjects: NDArray[np.str_]) -> Estimate:
    """Return the share of scans that are hits, with its interval over people; hits and names of people, N each."""
    people = subject_numbers(subjects)
    counts, right = np.bincount(people), np.bincount(people, weights=hits)
    draws = draw_people(len(counts))
    return estimate(float(hits.mean()), (draws @ right) / (draws @ counts))


def estimate(value: float, replicates: Floats, reason: str = "") -> Estimate:
    """Put the percentile interval of resamples around a figure; resamples in which it is undefined are left out."""
    defined = replicates[np.isfinite(replicates)]
    if not np.isfinite(value) or len(defined) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), reason)
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(low), float(high))


def _metrics(
    unit: str,
    y_true: NDArray[np.int64],
    logits: NDArray[np.floating],
    people: NDArray[np.int64],
    classes: tuple[str, ...],
    *,
    known: bool,
    ordered: bool,
) -> Metrics:
    n_classes, n_people = len(classes), int(people.max()) + 1
    logarithms = log_softmax(logits.astype(np.float64), axis=1)
    confusions = np.zeros((n_people, n_classes, n_classes))
    np.add.at(confusions, (people, y_true, logits.argmax(axis=1)), 1)
    losses = np.zeros((n_people, 2))
    np.add.at(losses, people, _losses(y_true, logarithms))
    scores = np.exp(logarithms)
    everybody, draws = np.ones((1, n_people)), draw_people(n_people)
    (value, value_by_class), (drawn, drawn_by_class) = (
        _all_metrics(weights, people, y_true, scores, confusions, losses, ordered=ordered)
        for weights in (everybody, draws)
    )
    return Metrics(
        unit,
        len(y_true),
        n_people,
        {name: estimate(float(value[name][0]), drawn[name], ONE_CLASS) for name in value},
        {class_name: {name: estimate(float(value_by_class[name][0, index]), drawn_by_class[name][:, index])
                      for name in OF_CLASS} for index, class_name in enumerate(classes)},
        confusion_matrix(y_true, logits.argmax(axis=1), labels=range(n_classes)),
        classes,
        _notes(y_true, people, classes, known=known),
    )  # fmt: skip


def _losses(y_true: NDArray[np.int64], logarithms: Floats) -> Floats:
    """Return Brier score and log loss of each row, N × 2."""
    rows = np.arange(len(y_true))
    off = np.exp(logarithms)
    off[rows, y_true] -= 1
    return np.stack([(off**2).sum(axis=1), -logarithms[rows, y_true]], axis=1)


def _all_metrics(
    weights: NDArray, people: NDArray[np.int64], y_true: NDArray[np.int64], scores: Floats, confusions: Floats,
    losses: Floats, *, ordered: bool,
) -> tuple[dict[str, Floats], dict[str, Floats]]:  # fmt: skip
    """Return every figure, R each, and those by class, R × classes, for R weightings of the people."""
    confusion = np.tensordot(weights.astype(np.float64), confusions, axes=1)
    n = confusion.sum(axis=(1, 2))
    by_class = _by_class(confusion)
    by_row = weights[:, people]
    by_class["auc"] = np.stack(
        [weighted_auc(y_true == index, scores[:, index], by_row) for index in range(scores.shape[1])], axis=1
    )
    brier, log_loss = (weights @ losses / n[:, None]).T
    metrics = {
        "accuracy": np.trace(confusion, axis1=1, axis2=2) / n,
        "balanced_accuracy": _mean_of_defined(by_class["recall"]),
        **{name: _mean_of_defined(by_class[name]) for name in ("precision", "f1", "specificity", "auc")},
        "brier": brier,
        "log_loss": log_loss,
    }
    if ordered:
        stages = np.arange(scores.shape[1])
        apart = np.abs(np.subtract.outer(stages, stages))
        metrics["kappa"] = _kappa(confusion, apart**2)
        metrics["stage_error"] = (confusion * apart).sum(axis=(1, 2)) / n
        metrics["auc_impaired"] = weighted_auc(y_true > 0, 1 - scores[:, 0], by_row)
    return metrics, by_class


def _by_class(confusion: Floats) -> dict[str, Floats]:
    """Return precision, recall, F1 and specificity, R × classes, of R confusion matrices; NaN for absent classes.

    The precision of a class that is never answered is 0, as scikit-learn has it.
    """
    right = np.diagonal(confusion, axis1=1, axis2=2)
    support, answered = confusion.sum(axis=2), confusion.sum(axis=1)
    n = confusion.sum(axis=(1, 2))[:, None]
    precision = np.where(support > 0, right / np.maximum(answered, 1), np.nan)
    recall = np.where(support > 0, right / np.maximum(support, 1), np.nan)
    f1 = np.where(support > 0, 2 * right / np.maximum(support + answered, 1), np.nan)
    others = n - support
    specificity = np.where(others > 0, (others - answered + right) / np.maximum(others, 1), np.nan)
    return {"precision": precision, "recall": recall, "f1": f1, "specificity": specificity}


def _kappa(confusion: Floats, cost: NDArray) -> Floats:
    """Return weighted kappa of each confusion matrix; NaN where chance costs nothing."""
    n = confusion.sum(axis=(1, 2))
    by_chance = confusion.sum(axis=2)[:, :, None] * confusion.sum(axis=1)[:, None, :] / n[:, None, None]
    expected = (by_chance * cost).sum(axis=(1, 2))
    paid = (confusion * cost).sum(axis=(1, 2))
    return np.where(expected > 0, 1 - paid / np.where(expected > 0, expected, 1), np.nan)


def _mean_of_defined(values: Floats) -> Floats:
    """Return the mean along the last axis of what is no NaN; NaN where nothing is."""
    count = np.isfinite(values).sum(axis=-1)
    return np.where(count > 0, np.nansum(values, axis=-1) / np.maximum(count, 1), np.nan)


def _notes(
    y_true: NDArray[np.int64], people: NDArray[np.int64], classes: tuple[str, ...], *, known: bool
) -> tuple[str, ...]:
    notes = [] if known else ["People are not known: the intervals take every slice for a person and are too narrow."]
    for index, name in enumerate(classes):
        n_people = len(set(people[y_true == index].tolist()))
        if n_people == 0:
            notes.append(f"{name}: nobody in this part; left out of the means.")
        elif known and n_people < FEW:
            notes.append(f"{name}: {n_people} people in this part; too few to judge.")
    return tuple(notes)
