"""A yes or no from probabilities: impaired (the task's positive classes) or not, at a threshold chosen on others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from core.results import YesOrNo


def impaired_score(logits: NDArray[np.floating], positives: Sequence[bool]) -> NDArray[np.float64]:
    """Return the probability of a task's positive classes together, N, from logits N × classes."""
    others = ~np.array(positives)
    return np.asarray(1 - softmax(logits.astype(np.float64), axis=1)[:, others].sum(axis=1))


def best_threshold(scores: NDArray[np.float64], impaired: NDArray[np.bool_]) -> float:
    """Return the threshold with the highest balanced accuracy, in the middle between two scores (Youden 1950).

    Args:
        scores: N, higher for the impaired.
        impaired: N, the truth.

    >>> best_threshold(np.array([0.1, 0.2, 0.6, 0.9]), np.array([False, False, True, True]))
    0.4
    """
    if impaired.all() or not impaired.any():
        return 0.5
    values = np.unique(scores)
    cuts = np.concatenate([[values[0] - 1e-9], (values[1:] + values[:-1]) / 2, [values[-1] + 1e-9]])
    gains = [balanced_accuracy_score(impaired, scores > cut) for cut in cuts]
    return float(cuts[int(np.argmax(gains))])


def decide(scores: NDArray[np.float64], impaired: NDArray[np.bool_], thresholds: NDArray[np.float64]) -> YesOrNo:
    """Measure decisions, each at its own threshold.

    Args:
        scores: N.
        impaired: N, the truth.
        thresholds: N, or one for all.
    """
    said = scores > thresholds
    nan = float("nan")
    sensitivity = float(said[impaired].mean()) if impaired.any() else nan
    specificity = float((~said[~impaired]).mean()) if (~impaired).any() else nan
    both = bool(impaired.any() and (~impaired).any())
    return YesOrNo(
        accuracy=float((said == impaired).mean()),
        balanced_accuracy=float(np.nanmean([sensitivity, specificity])),
        sensitivity=sensitivity,
        specificity=specificity,
        auc=float(roc_auc_score(impaired, scores)) if both else nan,
        people=len(scores),
    )
