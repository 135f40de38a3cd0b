"""Prediction sets: the classes compatible with a scan, so that the true one is among them as often as wanted.

Split conformal prediction with the score 1 − probability (Sadinle, Lei and Wasserman, Journal of the American
Statistical Association 114:223, 2019), by MAPIE. The nominal coverage holds for people drawn as the calibration people
were, on average over draws of them; class by class only where a class has people enough to be calibrated by itself, the
others in one group (Mondrian conformal prediction; Vovk 2012, section 4).
"""

import warnings
from collections.abc import Sequence

import numpy as np
from mapie.classification import SplitConformalClassifier
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from core.evaluation.bootstrap import exact_fraction
from core.networks.inference.prediction import prediction_set
from core.results import PredictionSets

DRAWS = 25

Floats = NDArray[np.float64]


def set_bounds(known: Floats, labels: NDArray[np.int64], *, coverage: float) -> tuple[Floats, tuple[int, ...]]:
    """Return how improbable a class may be and still be in the set.

    Args:
        known: Probabilities of N people the network was not trained on, N × classes.
        labels: int64, N, their classes.
        coverage: How often the truth is to be in the set, in (0, 1).

    Returns:
        Bounds on 1 − probability, one a class, 1 where there are too few people to leave anything out; and the indices
        of the classes that were calibrated by themselves.
    """
    scores = 1 - known[np.arange(len(labels)), labels]
    bounds, groups = np.empty(known.shape[1]), _groups(np.bincount(labels, minlength=known.shape[1]), coverage)
    for group in groups:
        bounds[group] = _bound(scores[np.isin(labels, group)], coverage)
    return bounds, tuple(sorted(group[0] for group in groups if len(group) == 1))


def _groups(counts: NDArray[np.int64], coverage: float) -> list[list[int]]:
    """Put each class with people enough into a group of its own, and the others together, with the smallest of the
    large ones until they are enough too.

    Every class is judged by the people of its own group. With everybody's bound for the rare classes beside a bound of
    its own for a large one, the rare ones are covered too seldom, and so are all together.
    """
    large = sorted(np.flatnonzero(counts >= least_people(coverage)).tolist(), key=lambda index: -counts[index])
    small = [index for index in range(len(counts)) if index not in large]
    while small and large and counts[small].sum() < least_people(coverage):
        small.append(large.pop())
    return [[index] for index in large] + ([small] if small else [])


def set_bounds_of_slices(
    known: Floats, labels: NDArray[np.int64], people: NDArray[np.int64], *, coverage: float
) -> Floats:
    """Return the bounds for one slice of a new person: the median of those found with one slice of everybody, drawn
    anew each time (repeated subsampling of Dunn, Wasserman and Ramdas, Journal of the American
    Statistical Association 118:2491, 2023).

    Slices of one person are no new evidence, so that all of them at once would claim too much.

    Args:
        known: Probabilities of N slices, N × classes.
        labels: int64, N.
        people: N numbers from 0.
        coverage: As for `set_bounds`.
    """
    random = np.random.default_rng(0)
    firsts = np.flatnonzero(np.diff(np.sort(people), prepend=-1))
    counts, order = np.bincount(people), np.argsort(people, kind="stable")
    found = []
    for _ in range(DRAWS):
        rows = order[firsts + random.integers(counts)]
        found.append(set_bounds(known[rows], labels[rows], coverage=coverage)[0])
    return np.asarray(np.median(found, axis=0))


def prediction_sets(
    known: Floats, labels: NDArray[np.int64], asked: Floats, *, coverage: float
) -> tuple[NDArray[np.bool_], tuple[int, ...]]:
    """Return which classes are in the set of each person.

    Args:
        known: As for `set_bounds`.
        labels: As for `set_bounds`.
        asked: Probabilities of M others.
        coverage: As for `set_bounds`.

    Returns:
        bool, M × classes, no row empty; and the indices of the classes that were calibrated by themselves.
    """
    bounds, alone = set_bounds(known, labels, coverage=coverage)
    return prediction_set(asked, bounds), alone


def least_people(coverage: float) -> int:
    """Return how many people of a class are needed for a bound of its own that rules anything out: n ≥ c / (1 − c),
    and twice that for one that is not merely their worst.
    """
    return _whole(2 * coverage / (1 - coverage))


def measured_sets(
    sets: NDArray[np.bool_], labels: NDArray[np.int64], classes: Sequence[str], *, nominal: float
) -> PredictionSets:
    """Measure prediction sets of people whose classes are known.

    The interval is Clopper and Pearson's: resampling people who are all covered would leave no uncertainty at all.

    Args:
        sets: bool, N × classes.
        labels: int64, N.
        classes: Their names.
        nominal: The coverage that the sets were made for.
    """
    size = sets.sum(axis=1)
    hit = sets[np.arange(len(labels)), labels]
    own = [hit[labels == index] for index in range(len(classes))]
    return PredictionSets(
        nominal=nominal,
        coverage=exact_fraction(hit),
        by_class={
            name: float(one.mean()) if len(one) else float("nan") for name, one in zip(classes, own, strict=True)
        },
        size=float(size.mean()),
        single=float((size == 1).mean()),
    )


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


def _bound(scores: Floats, coverage: float) -> float:
    """Ask MAPIE which of the scores it would let pass; the highest of these is its bound.

    That is the k-th lowest of n scores, k = ⌈(n + 1) · coverage⌉. MAPIE takes no fewer scores than 1 / (1 − coverage);
    with one fewer, k is n.
    """
    rank = _whole((len(scores) + 1) * coverage)
    if rank > len(scores):
        return 1.0
    if rank == len(scores):
        return float(scores.max())
    rows = np.stack([1 - scores, scores], axis=1)
    network = SplitConformalClassifier(_Given(2), confidence_level=coverage, conformity_score="lac")
    with warnings.catch_warnings(action="ignore"):  # that the second class has nobody to calibrate on
        let_pass = network.conformalize(rows, np.zeros(len(rows), int)).predict_set(rows)[1][:, 0, 0]
    return float(scores[let_pass].max())


def _whole(number: float) -> int:
    """Round up, but not because of the last digits: 0.9 / (1 − 0.9) is a little more than 9."""
    return int(np.ceil(number - 1e-9))
