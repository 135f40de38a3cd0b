"""The AUC of many resamples at once: one sort of the scores, then sums over ties."""

import numpy as np
from numpy.typing import NDArray

CELLS = 4_000_000  # resamples × scores that are looked at together


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
