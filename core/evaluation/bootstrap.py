"""Intervals from resampling whole people, since slices of one person are not independent.

Efron and Tibshirani 1993, chapter 8; percentile interval. Every resample is a row of weights, so that all metrics of
all resamples are a few matrix products.
"""

import numpy as np
from numpy.typing import NDArray

from core.results import LEVEL, Estimate

REPLICATES = 2000
METHOD, METHOD_OF_SLICES = "percentile bootstrap over people", "percentile bootstrap over slices"


def draw_people(n_people: int, *, replicates: int = REPLICATES, seed: int = 0) -> NDArray[np.int64]:
    """Draw people with replacement: how often each is in each resample, replicates × people."""
    return np.random.default_rng(seed).multinomial(n_people, np.full(n_people, 1 / n_people), size=replicates)


def estimate(value: float, replicates: NDArray[np.float64], reason: str = "") -> Estimate:
    """Put the percentile interval of resamples around a value; resamples in which it is undefined are left out."""
    defined = replicates[np.isfinite(replicates)]
    if not np.isfinite(value) or len(defined) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), reason)
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(low), float(high))


def fraction_over_people(hits: NDArray[np.bool_], people: NDArray[np.int64]) -> Estimate:
    """Return the fraction of scans that are hits, with its interval over people.

    Args:
        hits: bool, N.
        people: N numbers from 0.
    """
    counts, right = np.bincount(people), np.bincount(people, weights=hits)
    draws = draw_people(len(counts))
    return estimate(float(hits.mean()), (draws @ right) / (draws @ counts))
