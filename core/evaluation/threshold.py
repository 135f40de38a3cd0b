"""A yes or no from probabilities: impaired (any class but the first) or not, at a threshold chosen on other people."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score, roc_auc_score


@dataclass(frozen=True)
class YesOrNo:
    """Figures of a binary decision.

    Attributes:
        accuracy: Share of people decided rightly.
        balanced_accuracy: Mean of sensitivity and specificity.
        sensitivity: Share of the impaired found; None without any.
        specificity: Share of the others left alone; None without any.
        auc: Area under the ROC curve; None if only one kind is there.
        people: How many people.
    """

    accuracy: float
    balanced_accuracy: float
    sensitivity: float | None
    specificity: float | None
    auc: float | None
    people: int


def impaired_score(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the probability of any class but the first, from logits N × classes."""
    return np.asarray(1 - softmax(logits.astype(np.float64), axis=1)[:, 0])


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
    found = float(said[impaired].mean()) if impaired.any() else None
    left = float((~said[~impaired]).mean()) if (~impaired).any() else None
    both = found is not None and left is not None
    known = [value for value in (found, left) if value is not None]
    return YesOrNo(
        accuracy=float((said == impaired).mean()),
        balanced_accuracy=float(np.mean(known)),
        sensitivity=found,
        specificity=left,
        auc=float(roc_auc_score(impaired, scores)) if both else None,
        people=len(scores),
    )
