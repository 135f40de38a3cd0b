"""Learning a morphometric model from people: inner folds choose its strength and answer everybody it learns from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from core.cohorts.names.columns import BEST_MMSE
from core.errors import TrainingError
from core.morphometry.maps import BLOCK
from core.morphometry.model import AgeRange, Doubles, Floats, Line, Scores, Stages, TissueModel
from core.morphometry.tissue import FLUID
from core.words import people as people_in_words

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of the ridge; the mean of the kernel's diagonal is 1
STRENGTH_OF_AGE = 1.0
FOLDS = 5
WITHIN = 0.7  # of a block, on average over people, for it to be looked at
SHRINKAGE = 0.3  # of the mean standard deviation, added to each so that what hardly varies does not count as much
LOWEST_MM = 8  # the ventricles' and temporal lobes' end of the slab counts once more
FEWEST = 10  # people of a class that is answered, of each kind that must be told apart, and healthy people with an age

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Learned:
    """People to learn from.

    Attributes:
        maps: float32, N × 2 × d × h × w.
        inside: float32, d × h × w: how much of each block lies in the head, on average.
        labels: int64, N, indices of classes in the order of the disease.
        impaired: bool, one a class.
        ages: float64, N, years; NaN where unknown.
        mmse: float64, N, points of the Mini-Mental State Examination, which say more of how ill somebody is than the
            class; NaN where unknown. None for nobody's.
    """

    maps: Floats
    inside: Floats
    labels: Ints
    impaired: tuple[bool, ...]
    ages: Doubles
    mmse: Doubles | None = None

    def __len__(self) -> int:
        """Return the number of people."""
        return len(self.labels)

    @property
    def ill(self) -> NDArray[np.bool_]:
        """Who is impaired."""
        return np.array(self.impaired)[self.labels]

    def where(self, chosen: NDArray) -> "Learned":
        """Return some of the people."""
        mmse = None if self.mmse is None else self.mmse[chosen]
        return Learned(self.maps[chosen], self.inside, self.labels[chosen], self.impaired, self.ages[chosen], mmse)

    @property
    def severity(self) -> Doubles:
        """How ill everybody is: the class and, where it is known of enough people, the MMSE, of equal spread.

        Who has none is taken for as ill as others of the class, or of the next one below of which somebody has.
        """
        stage = self.labels.astype(np.float64)
        lost = np.full(len(self), np.nan) if self.mmse is None else BEST_MMSE - self.mmse
        known = np.isfinite(lost)
        if known.sum() < FEWEST:
            return stage
        told = np.unique(self.labels[known])
        means = np.array([lost[known & (self.labels == label)].mean() for label in told])
        nearest = np.clip(np.searchsorted(told, self.labels, side="right") - 1, 0, None)
        filled = np.where(known, lost, means[nearest])
        return stage / (stage.std() or 1.0) + filled / (filled.std() or 1.0)


def fit_tissue_model(people: Learned, *, kind: str, age: bool, seed: int = 0) -> tuple[TissueModel, Floats]:
    """Fit a morphometric model.

    Args:
        people: Whom to learn from.
        kind: "tissue_maps", or "fluid_fraction" for the one number.
        age: Whether a version that asks for age is fitted, too.
        seed: Of the folds.

    Returns:
        The model, and log probabilities, N × classes, of the same people, each by a model of an inner fold that has not
        seen them, with their age where that is asked for and known.

    Raises:
        TrainingError: There are too few people of a kind.
    """
    check_people(people.ill, people.ages, age=age)
    scores, aged = np.full(len(people), np.nan), np.full(len(people), np.nan)
    for rest, fold in _folds(people, seed):
        fitted = _scores(people.where(rest), kind=kind, age=age, seed=seed)
        own = people.where(fold)
        values = fitted.values(own.maps)
        scores[fold] = fitted.without_age(values)
        if fitted.with_age is not None:
            known = np.isfinite(own.ages)
            aged[fold[known]] = fitted.with_age(values[known], own.ages[known])
    whole, n_classes = _scores(people, kind=kind, age=age, seed=seed), len(people.impaired)
    without_age, with_age = _stages(scores, people.labels, n_classes), None
    logits = without_age.logits(scores, n_classes)
    if whole.with_age is not None:
        known = np.isfinite(aged)
        with_age = _stages(aged[known], people.labels[known], n_classes)
        logits[known] = with_age.logits(aged[known], n_classes)
    return TissueModel(whole, without_age, with_age), logits


def check_people(ill: NDArray[np.bool_], ages: Doubles, *, age: bool) -> None:
    """See that there are enough people to learn from.

    Args:
        ill: bool, N: who is impaired.
        ages: float64, N, years; NaN where unknown.
        age: Whether a version that asks for age is to be fitted.

    Raises:
        TrainingError: There are too few people of a kind.
    """
    healthy, impaired = (~ill).sum(), ill.sum()
    if min(healthy, impaired) < FEWEST:
        raise TrainingError(
            f"a morphometric model needs {FEWEST} healthy and {FEWEST} impaired people to learn from; there are "
            f"{healthy} and {impaired}."
        )
    known = np.isfinite(ages)
    if age and min((known & ~ill).sum(), (known & ill).sum()) < FEWEST:
        raise TrainingError(
            f"this recipe asks for age: the ages of {FEWEST} healthy and {FEWEST} impaired people at least must be "
            f"known, in a table given with --people; they are of {people_in_words(int(known.sum()))}."
        )


def _scores(people: Learned, *, kind: str, age: bool, seed: int) -> Scores:
    mask = np.repeat((people.inside > WITHIN)[None], people.maps.shape[1], axis=0)
    if kind == "fluid_fraction":
        mask[np.arange(len(mask)) != FLUID] = False
    values = np.ascontiguousarray(people.maps[:, mask], np.float32)
    known = np.isfinite(people.ages)
    healthy = known & ~people.ill
    enough = bool(healthy.sum() >= FEWEST)
    with_age = brain_age = of_age = None
    if kind == "fluid_fraction":
        even = Line(np.full(values.shape[1], 1 / max(1, values.shape[1])), 0.0, 0.0)
        without_age = even.standardised(even(values))
    else:
        low = np.zeros(mask.shape, bool)
        low[:, : LOWEST_MM // BLOCK] = True
        lowest, severity = low[mask], people.severity
        without_age = _direct(values, lowest, severity, people, seed=seed)
        if enough:
            brain_age, gap, of_age = _brain_age(values[healthy], lowest, people.ages[healthy], seed=seed)
            without_age = without_age.mean_with(brain_age.standardised(brain_age(values)))
            if age:
                aged = people.where(known)
                direct = _direct(values[known], lowest, severity[known], aged, seed=seed, ages=aged.ages)
                with_age = direct.mean_with(gap.standardised(gap(values[known], aged.ages)))
    usual = values[healthy if enough else ~people.ill]
    return Scores(
        mask=mask,
        without_age=without_age,
        with_age=with_age,
        brain_age=brain_age,
        healthy=usual.mean(axis=0, dtype=np.float64),
        healthy_per_year=_trend(usual, people.ages[healthy]) if enough else np.zeros(values.shape[1]),
        mean_age=float(people.ages[healthy].mean()) if enough else float("nan"),
        of_age=of_age,
    )


def _direct(
    values: Floats,
    lowest: NDArray[np.bool_],
    target: Doubles,
    people: Learned,
    *,
    seed: int,
    ages: Doubles | None = None,
) -> Line:
    """Fit the direct score with the strength that tells the impaired best in inner folds; standardised by these."""
    healthy, found = ~people.ill, np.empty((len(STRENGTHS), len(people)))
    for rest, fold in _folds(people, seed):
        known = None if ages is None else ages[rest]
        for number, line in enumerate(_ridges(values[rest], target[rest], STRENGTHS, lowest, known, healthy[rest])):
            found[number, fold] = line(values[fold], None if ages is None else ages[fold])
    best = int(np.argmax([roc_auc_score(people.ill, scores) for scores in found]))
    (line,) = _ridges(values, target, STRENGTHS[best : best + 1], lowest, ages, healthy)
    return line.standardised(found[best])


def _brain_age(values: Floats, lowest: NDArray[np.bool_], ages: Doubles, *, seed: int) -> tuple[Line, Line, AgeRange]:
    """Fit the age that a healthy brain looks, corrected for its pull to the mean, and the gap to the age it has."""
    found = np.empty(len(ages))
    fold_of = np.random.default_rng(seed).permutation(len(ages)) % FOLDS
    for number in range(FOLDS):
        rest = fold_of != number
        (line,) = _ridges(values[rest], ages[rest], [STRENGTH_OF_AGE], lowest)
        found[~rest] = line(values[~rest])
    slope, bias = np.polyfit(ages, found, 1)
    (line,) = _ridges(values, ages, [STRENGTH_OF_AGE], lowest)
    steep = max(float(slope), 0.2)
    brain_age = Line(line.weights / steep, 0.0, (line.offset - bias) / steep)
    error = float(np.std((found - bias) / steep - ages, ddof=1))
    of_age = AgeRange(error, float(ages.min()), float(ages.max()), len(ages))
    return brain_age, Line(line.weights, -float(slope), line.offset - float(bias)), of_age


def _ridges(
    values: Floats,
    target: Doubles,
    strengths: Sequence[float],
    lowest: NDArray[np.bool_],
    ages: Doubles | None = None,
    healthy: NDArray[np.bool_] | None = None,
) -> list[Line]:
    """Fit a ridge regression of each strength, in its dual form.

    Args:
        values: N × p.
        target: N.
        strengths: Of the ridge.
        lowest: bool, p: which values count once more.
        ages: N, where the healthy people's trend with age is taken out of the values; None for no trend.
        healthy: bool, N, who they are.
    """
    middle, spread = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    scale = 1 / (spread + SHRINKAGE * spread.mean())
    seen, trend, mean_age = (values - middle) * scale, np.zeros(len(middle)), 0.0
    if ages is not None and healthy is not None:
        trend, mean_age = _trend(values[healthy], ages[healthy]), float(ages[healthy].mean())
        seen -= np.outer(ages - mean_age, trend * scale)
    power = (seen**2).mean(axis=0)
    weight = np.sqrt((1 / power.sum() + lowest / max(float(power[lowest].sum()), 1e-12)) / 2)
    seen, scale = seen * weight, scale * weight
    level, basis = np.linalg.eigh(seen @ seen.T)
    mean = float(target.mean())
    turned = basis.T @ (target - mean)
    lines = []
    for strength in strengths:
        weights = seen.T @ (basis @ (turned / (np.maximum(level, 0) + strength))) * scale
        per_year = -float(trend @ weights)
        lines.append(Line(weights, per_year, mean - float(middle @ weights) - per_year * mean_age))
    return lines


def _trend(values: Floats, ages: Doubles) -> Doubles:
    """Return each value's change with a year of age, by least squares."""
    apart = ages - ages.mean()
    return np.asarray(apart @ (values - values.mean(axis=0)) / max(float(apart @ apart), 1e-12), np.float64)


def _folds(people: Learned, seed: int) -> list[tuple[Ints, Ints]]:
    """Cut people into folds of like shares of healthy and impaired, of known and of unknown age."""
    kinds = 2 * people.ill + np.isfinite(people.ages)
    few = [kind for kind, count in zip(*np.unique(kinds, return_counts=True), strict=True) if count < FOLDS]
    kinds = np.where(np.isin(kinds, few), kinds ^ 1, kinds)
    return list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(people.labels, kinds))


def _stages(scores: Doubles, labels: Ints, n_classes: int) -> Stages:
    """Fit proportional odds by maximum likelihood; classes of too few people count with the one below."""
    counts = np.bincount(labels, minlength=n_classes)
    told = [index for index in range(n_classes) if counts[index] >= FEWEST]
    rank = np.searchsorted(told, labels, side="right") - 1
    rank = np.clip(rank, 0, len(told) - 1)

    def stages(given: Doubles) -> Stages:
        steps = np.exp(given[2:])
        return Stages(tuple(told), float(np.exp(given[0])), tuple((given[1] + np.r_[0.0, np.cumsum(steps)]).tolist()))

    def loss(given: Doubles) -> float:
        logits = stages(given).logits(scores, n_classes)
        return -float(logits[np.arange(len(rank)), np.array(told)[rank]].mean()) + 1e-3 * float(given[0] ** 2)

    shares = np.cumsum(np.bincount(rank, minlength=len(told)))[:-1] / len(rank)
    bounds = np.quantile(scores, shares)
    start = np.r_[0.0, bounds[:1], np.log(np.maximum(np.diff(bounds), 1e-2))]
    return stages(_minimum(loss, start))


def _minimum(loss: Callable[[Doubles], float], start: Doubles) -> Doubles:
    return np.asarray(minimize(loss, start, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-5}).x)
