"""Intervals over people, since slices of one person are not independent.

Fractions of people: Clopper and Pearson, Biometrika 26:404, 1934. Everything else: resampling whole people (Efron and
Tibshirani 1993, chapter 8), where the percentiles are taken further out the fewer people there are, as a percentile
interval of few is too narrow (the expanded percentile interval of Hesterberg, The American Statistician 69:371, 2015).
Every resample is a row of weights, so that all metrics of all resamples are a few matrix products.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, norm, t

from core.results import LEVEL, Estimate

REPLICATES = 2000
METHOD = "exact (Clopper–Pearson) for fractions of people, else expanded percentile bootstrap over people"
METHOD_OF_SLICES = "exact (Clopper–Pearson) for fractions of slices, else expanded percentile bootstrap over slices"
ALIKE = "every resample gives the same, so that no interval can be made"
NOBODY = "there is nobody"
CELLS = 4_000_000  # resamples × scores that are looked at together


def draw_people(n_people: int, *, replicates: int = REPLICATES, seed: int = 0) -> NDArray[np.int64]:
    """Draw people with replacement: how often each is in each resample, replicates × people."""
    return np.random.default_rng(seed).multinomial(n_people, np.full(n_people, 1 / n_people), size=replicates)


def estimate(
    value: float,
    replicates: NDArray[np.float64],
    reason: str = "",
    *,
    people: int | None = None,
    fraction: bool = False,
) -> Estimate:
    """Put the interval of resamples around a value; resamples in which it is undefined are left out.

    Args:
        value: Of everybody.
        replicates: float64, R, of each resample.
        reason: Why the value may be undefined.
        people: How many people were drawn from, or, of what tells two kinds apart, how many of the fewer kind; None for
            the percentiles as they are, for very many.
        fraction: Whether it is a mean or a probability, 1 where everybody is right and 0 where nobody is.

    Returns:
        The value with its interval. Where all resamples are alike, they know nothing of anybody else: a fraction of 0
        or 1 has the exact interval of so many people who are all alike, anything else has none.
    """
    defined = replicates[np.isfinite(replicates)]
    nan = float("nan")
    if not np.isfinite(value) or len(defined) == 0:
        return Estimate(nan, nan, nan, reason)
    tail = _tail(people)
    low, high = np.quantile(defined, [tail, 1 - tail])
    if people is not None and np.ptp(defined) < 1e-12:
        if fraction and people and value in {0.0, 1.0}:
            return exact_fraction(np.full(people, bool(value)))
        return Estimate(float(value), nan, nan, ALIKE)
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))


def exact_fraction(hits: NDArray[np.bool_]) -> Estimate:
    """Return the fraction of N people that are hits, with Clopper and Pearson's interval."""
    if len(hits) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), NOBODY)
    exact = binomtest(int(hits.sum()), len(hits)).proportion_ci(LEVEL, method="exact")
    return Estimate(float(hits.mean()), float(exact.low), float(exact.high))


def fraction_over_people(hits: NDArray[np.bool_], people: NDArray[np.int64]) -> Estimate:
    """Return the fraction of scans that are hits, with its interval over people.

    It is exact where everybody has one scan. Where everybody's scans are hits, or nobody's, so that all resamples are
    alike, the interval is that of the people whose scans all are. People who all have the same part of their scans
    right leave no width.

    Args:
        hits: bool, N.
        people: N numbers.
    """
    _, people = np.unique(people, return_inverse=True)
    counts, right = np.bincount(people), np.bincount(people, weights=hits)
    if len(hits) == 0 or counts.max() == 1:
        return exact_fraction(hits)
    if hits.all() or not hits.any():
        return exact_fraction(right > 0)
    draws = draw_people(len(counts))
    differ = np.ptp(right / counts) > 0
    return estimate(float(hits.mean()), (draws @ right) / (draws @ counts), people=len(counts) if differ else None)


def mean_over_people(values: NDArray[np.float64], people: NDArray[np.int64]) -> Estimate:
    """Return the mean of scans, with its interval over people; scans without a value are left out.

    Args:
        values: float64, N; NaN where there is none.
        people: N numbers.
    """
    known = np.isfinite(values)
    if not known.any():
        return Estimate(float("nan"), float("nan"), float("nan"), NOBODY)
    _, people = np.unique(people[known], return_inverse=True)
    counts, sums = np.bincount(people), np.bincount(people, weights=values[known])
    draws = draw_people(len(counts))
    return estimate(float(values[known].mean()), (draws @ sums) / (draws @ counts), people=len(counts))


def _tail(people: int | None) -> float:
    """Return the fraction of resamples beyond each end of the interval."""
    level = (1 + LEVEL) / 2
    if people is None or people < 2:
        return 1 - level
    return float(norm.cdf(-np.sqrt(people / (people - 1)) * t.ppf(level, people - 1)))


def weighted_auc(positive: NDArray[np.bool_], score: NDArray[np.floating], weights: NDArray) -> NDArray[np.float64]:
    """Return the AUC for each of many weightings of the same scores.

    It is the probability that a positive has a higher score than a negative, a tie counting half (Hanley and McNeil,
    Radiology 143:29, 1982); a score of weight w counts as w of them.

    Args:
        positive: N, which scores are of positives.
        score: N, finite.
        weights: R × N, not negative; a row a resample.

    Returns:
        float64, R; NaN where positives or negatives have no weight.
    """
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    ties = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    is_positive = positive[order].astype(np.float64)
    rows = max(1, CELLS // max(len(score), 1))
    aucs = np.empty(len(weights))
    for start in range(0, len(weights), rows):
        weight = weights[start : start + rows][:, order].astype(np.float64)
        above = np.add.reduceat(weight * is_positive, ties, axis=1)
        below = np.add.reduceat(weight * (1 - is_positive), ties, axis=1)
        passed = below.cumsum(axis=1) - below / 2
        pairs = above.sum(axis=1) * below.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            aucs[start : start + rows] = np.where(pairs > 0, (above * passed).sum(axis=1) / pairs, np.nan)
    return aucs
