"""Prediction sets: the classes that cannot be ruled out, so that the truth is among them as often as promised.

Split conformal prediction with the score 1 − probability (Sadinle, Lei and Wasserman, Journal of the American
Statistical Association 114:223, 2019), by MAPIE. The promise holds for people drawn as the calibration people were, on
average over draws of them; class by class only where a class has people enough to be calibrated by itself (Vovk 2012,
section 4).
"""

import warnings
from dataclasses import dataclass

import numpy as np
from mapie.classification import SplitConformalClassifier
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from core.evaluation.metrics import Estimate, draw_people, estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Covered:
    """How prediction sets fare on people never seen.

    Attributes:
        wanted: The coverage promised.
        coverage: Share of people whose class is in their set, with its interval.
        size: Mean number of classes in a set.
        single: Share of sets of one class.
        by_class: Coverage of each class's people; NaN without any.
    """

    wanted: float
    coverage: Estimate
    size: float
    single: float
    by_class: tuple[float, ...]


def prediction_sets(
    known: Floats, labels: NDArray[np.int64], asked: Floats, *, coverage: float
) -> tuple[NDArray[np.bool_], tuple[int, ...]]:
    """Return the classes that cannot be ruled out.

    Args:
        known: Probabilities of N people the network was not trained on, N × classes.
        labels: int64, N, their classes.
        asked: Probabilities of M others.
        coverage: How often the truth is to be in the set, in (0, 1).

    Returns:
        bool, M × classes, no row empty: what would be is given its most probable class; and the places of the classes
        that were calibrated by themselves.
    """
    sets = _sets(known, labels, asked, coverage)
    alone = []
    for place in range(known.shape[1]):
        own = labels == place
        if own.sum() >= least_people(coverage):
            sets[:, place] = _sets(known[own], labels[own], asked, coverage)[:, place]
            alone.append(place)
    empty = ~sets.any(axis=1)
    sets[empty, asked[empty].argmax(axis=1)] = True
    return sets, tuple(alone)


def least_people(coverage: float) -> int:
    """Return how many people of a class are needed for a bound of its own that rules anything out: n ≥ c / (1 − c),
    and twice that for one that is not merely their worst.
    """
    return int(np.ceil(2 * coverage / (1 - coverage)))


def covered(sets: NDArray[np.bool_], labels: NDArray[np.int64], *, wanted: float) -> Covered:
    """Measure prediction sets, N × classes, of people whose classes are known."""
    hit = sets[np.arange(len(labels)), labels]
    share = estimate(float(hit.mean()), draw_people(len(hit)) @ hit / len(hit))
    size = sets.sum(axis=1)
    by_class = tuple(float(hit[labels == place].mean()) if (labels == place).any() else float("nan")
                     for place in range(sets.shape[1]))  # fmt: skip
    return Covered(wanted, share, float(size.mean()), float((size == 1).mean()), by_class)


class _Given(ClassifierMixin, BaseEstimator):
    """Stands for the network: what it is given are probabilities already."""

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> NDArray[np.int64]:
        return np.arange(self.n_classes)

    def fit(self, X: Floats, y: NDArray[np.int64]) -> "_Given":  # noqa: N803 - scikit-learn's name
        return self

    def predict_proba(self, X: Floats) -> Floats:  # noqa: N803
        return X

    def predict(self, X: Floats) -> NDArray[np.int64]:  # noqa: N803
        return np.asarray(X.argmax(axis=1))


def _sets(known: Floats, labels: NDArray[np.int64], asked: Floats, coverage: float) -> NDArray[np.bool_]:
    network = SplitConformalClassifier(_Given(known.shape[1]), confidence_level=coverage, conformity_score="lac")
    with warnings.catch_warnings(action="ignore"):  # that some classes have nobody to calibrate on
        return np.array(network.conformalize(known, labels).predict_set(asked)[1][..., 0], bool)
