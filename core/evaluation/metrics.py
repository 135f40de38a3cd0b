"""How right a network is, by slice and by subject, each metric with a 95 % interval over people.

By subject each person counts once, on the logits that `core.networks.inference.aggregation` makes of their slices.
Precision, recall, F1 and specificity are means over the classes that are present. Quadratic-weighted kappa: Cohen,
Psychological Bulletin 70:213, 1968. Brier score, the sum over the classes: Brier, Monthly Weather Review 78:1, 1950.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.metrics import confusion_matrix

from core.cohorts.tasks import Task
from core.evaluation.bootstrap import (
    METHOD,
    METHOD_OF_SLICES,
    draw_people,
    estimate,
    fraction_over_people,
    weighted_auc,
)
from core.evaluation.scored import Scored
from core.results import ROUGH, Estimate, Metrics, Unit
from core.words import people as people_text

FEW = 5  # a class with fewer people than this says nothing for itself
ONE_CLASS = "the part holds one class only"  # why a metric can be undefined
FRACTIONS = ("balanced_accuracy", "precision", "f1", "specificity", "auc", "auc_impaired")
OF_CLASS = ("precision", "recall", "f1", "specificity", "auc")

Floats = NDArray[np.float64]


def slice_metrics(scored: Scored) -> Metrics:
    """Count every scan; where people are not known each scan counts as a person of its own."""
    return _metrics("slice", scored, scored.people)


def subject_metrics(scored: Scored) -> Metrics | None:
    """Count every person once, by the label of most of their scans; None where people are not known."""
    if not scored.known:
        return None
    labels, logits = scored.by_subject()
    everybody = Scored(labels, logits, np.unique(scored.subjects), scored.task)
    return _metrics("subject", everybody, np.arange(len(labels)))


def metrics_of(scored: Scored) -> tuple[Metrics, Metrics | None]:
    """Return the metrics by slice and by subject."""
    return slice_metrics(scored), subject_metrics(scored)


def _metrics(unit: Unit, scored: Scored, people: NDArray[np.int64]) -> Metrics:
    y_true, logits, classes = scored.labels, scored.logits, scored.task.classes
    n_classes, n_people = len(classes), int(people.max()) + 1
    logarithms = log_softmax(logits.astype(np.float64), axis=1)
    confusions = np.zeros((n_people, n_classes, n_classes))
    np.add.at(confusions, (people, y_true, logits.argmax(axis=1)), 1)
    losses = np.zeros((n_people, 2))
    np.add.at(losses, people, _losses(y_true, logarithms))
    scores = np.exp(logarithms)
    everybody, draws = np.ones((1, n_people)), draw_people(n_people)
    (value, value_by_class), (drawn, drawn_by_class) = (
        _all_metrics(weights, people, y_true, scores, confusions=confusions, losses=losses, task=scored.task)
        for weights in (everybody, draws)
    )
    confusion = confusion_matrix(y_true, logits.argmax(axis=1), labels=range(n_classes))
    return Metrics(
        unit=unit,
        n=len(y_true),
        people=n_people,
        estimates={
            **{
                name: estimate(
                    float(value[name][0]),
                    drawn[name],
                    ONE_CLASS,
                    people=_fewer(name, y_true, people),
                    fraction=name in FRACTIONS,
                )
                for name in value
            },
            "accuracy": fraction_over_people(y_true == logits.argmax(axis=1), people),
        },
        by_class={
            class_name: {
                **{
                    name: estimate(
                        float(value_by_class[name][0, index]),
                        drawn_by_class[name][:, index],
                        people=_of_the_fewer(y_true == index, people),
                        fraction=True,
                    )
                    for name in OF_CLASS
                },
                **_fractions_of_class(index, y_true, logits.argmax(axis=1), people=people),
            }
            for index, class_name in enumerate(classes)
        },
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        classes=classes,
        notes=_notes(y_true, people, classes, known=scored.known),
        method=METHOD if scored.known else METHOD_OF_SLICES,
    )


def _fractions_of_class(
    index: int, y_true: NDArray[np.int64], answers: NDArray[np.int64], *, people: NDArray[np.int64]
) -> dict[str, Estimate]:
    """Return what is a fraction of some scans; nothing of a class that is absent, or never answered."""
    of_class, answered = y_true == index, answers == index
    if not of_class.any():
        return {}
    asked = {"recall": (answered, of_class), "precision": (of_class, answered), "specificity": (~answered, ~of_class)}
    return {name: fraction_over_people(hits[of], people[of]) for name, (hits, of) in asked.items() if of.any()}


def _fewer(name: str, y_true: NDArray[np.int64], people: NDArray[np.int64]) -> int:
    """Return how many people a metric of everybody hangs on."""
    return _of_the_fewer(y_true > 0, people) if name == "auc_impaired" else int(people.max()) + 1


def _of_the_fewer(positive: NDArray[np.bool_], people: NDArray[np.int64]) -> int:
    """Return the number of people of a class, or of the others if these are fewer."""
    return min(len(np.unique(people[positive])), len(np.unique(people[~positive])))


def _losses(y_true: NDArray[np.int64], logarithms: Floats) -> Floats:
    """Return Brier score and log loss of each row, N × 2."""
    rows = np.arange(len(y_true))
    off = np.exp(logarithms)
    off[rows, y_true] -= 1
    return np.stack([(off**2).sum(axis=1), -logarithms[rows, y_true]], axis=1)


def _all_metrics(
    weights: NDArray,
    people: NDArray[np.int64],
    y_true: NDArray[np.int64],
    scores: Floats,
    confusions: Floats,
    losses: Floats,
    *,
    task: Task,
) -> tuple[dict[str, Floats], dict[str, Floats]]:
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
    if task.ordered:
        stages = np.arange(scores.shape[1])
        apart = np.abs(np.subtract.outer(stages, stages))
        metrics["kappa"] = _kappa(confusion, apart**2)
        metrics["stage_error"] = (confusion * apart).sum(axis=(1, 2)) / n
    if task.decides:
        positives = np.array(task.positives)
        metrics["auc_impaired"] = weighted_auc(positives[y_true], 1 - scores[:, ~positives].sum(axis=1), by_row)
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
    everybody = len(np.unique(people))
    if known and everybody < ROUGH:
        notes.append(
            f"Only {people_text(everybody)}: intervals are rough, and differences can hardly be told from chance."
        )
    for index, name in enumerate(classes):
        n_people = len(set(people[y_true == index].tolist()))
        if n_people == 0:
            notes.append(f"{name}: no person of this class in this part; not averaged.")
        elif known and n_people < FEW:
            notes.append(f"{name}: {people_text(n_people)} of this class in this part; too few to judge.")
    return tuple(notes)
