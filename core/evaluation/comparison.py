"""Is one network better than another, on the same people?

AucComparison: DeLong, DeLong and Clarke-Pearson, Biometrics 44:837, 1988, by ranks (Sun and Xu, IEEE Signal Processing Letters
21:1389, 2014). Decisions: McNemar, Psychometrika 12:153, 1947, exact; effect size Cohen's g (1988, chapter 5).
Accuracies: the bootstrap over people, both networks on the same resamples.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, norm, rankdata

from core.evaluation.metrics import Estimate, draw_people, estimate
from core.plain import plain

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AucComparison:
    """Two areas under ROC curves of the same people.

    Attributes:
        first: Area of the first network.
        second: Area of the second.
        difference: First less second, with its 95 % interval.
        z: The difference in standard errors; NaN where it cannot vary.
        p: Two-sided, of no difference; NaN likewise.
    """

    first: float
    second: float
    difference: Estimate
    z: float
    p: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return dict(plain(asdict(self)))


@dataclass(frozen=True)
class Decisions:
    """Who decides rightly where the other does not.

    Attributes:
        only_first: How many only the first network has right.
        only_second: How many only the second has right.
        p: Exact, two-sided, of both being as often right.
        g: Cohen's g: how far the share of the better one lies from a half; 0 without disagreement.
    """

    only_first: int
    only_second: int
    p: float
    g: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def compare_auc(positive: NDArray[np.bool_], first: Floats, second: Floats) -> AucComparison:
    """Compare two scores of the same people by DeLong's test.

    Args:
        positive: bool, N.
        first: N scores of the first network; higher for positives.
        second: N of the second.

    Raises:
        ValueError: Positives or negatives are missing.
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        raise ValueError("areas need positives and negatives.")
    over, under = zip(*(_placements(positive, scores) for scores in (first, second)), strict=True)
    first_auc, second_auc = (float(values.mean()) for values in over)
    covariance = _covariance(np.stack(over)) / n_positive + _covariance(np.stack(under)) / n_negative
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    error = float(np.sqrt(max(variance, 0.0)))
    apart = first_auc - second_auc
    z = apart / error if error > 1e-12 else float("nan")
    reach = float(norm.ppf(0.975)) * error
    interval = Estimate(apart, apart - reach, apart + reach)
    return AucComparison(first_auc, second_auc, interval, z, float(2 * norm.sf(abs(z))))


def compare_decisions(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> Decisions:
    """Compare who of the same N is decided rightly, by McNemar's exact test."""
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    apart = only_first + only_second
    if not apart:
        return Decisions(0, 0, 1.0, 0.0)
    p = float(binomtest(only_first, apart, 0.5).pvalue)
    return Decisions(only_first, only_second, p, max(only_first, only_second) / apart - 0.5)


def accuracy_difference(
    first_right: NDArray[np.bool_], second_right: NDArray[np.bool_], people: NDArray[np.int64]
) -> Estimate:
    """Return the difference of two accuracies over the same N scans, with its interval over people."""
    counts = np.bincount(people)
    gained = np.bincount(people, weights=first_right.astype(float) - second_right.astype(float))
    draws = draw_people(len(counts))
    return estimate(float(gained.sum() / counts.sum()), (draws @ gained) / (draws @ counts))


def _placements(positive: NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """Return for each positive the share of negatives below it, and for each negative that of positives above it."""
    ranks = rankdata(scores)
    over = (ranks[positive] - rankdata(scores[positive])) / (~positive).sum()
    under = 1 - (ranks[~positive] - rankdata(scores[~positive])) / positive.sum()
    return over, under


def _covariance(values: Floats) -> Floats:
    return np.cov(values) if values.shape[1] > 1 else np.zeros((2, 2))
