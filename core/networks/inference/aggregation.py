"""From the logits of a subject's slices to those of the subject: the one way, for predicting and for measuring."""

import numpy as np
from numpy.typing import NDArray

from core.networks.recipe import Aggregation


def subject_logits(logits: NDArray[np.floating], subjects: NDArray[np.int64], how: Aggregation) -> NDArray[np.float64]:
    """Aggregate the logits of slices by subject.

    Args:
        logits: N × classes.
        subjects: N numbers from 0, every one of them present.
        how: "mean_logit", "median_logit" or "mean_probability" (the logarithm of it), as in `Slices.combine`.

    Returns:
        float64, subjects × classes; their softmax is the subject's probability.

    >>> subject_logits(np.array([[2.0, 0.0], [0.0, 0.0], [3.0, 1.0]]), np.array([0, 0, 1]), "mean_logit")
    array([[1., 0.],
           [3., 1.]])
    """
    exact = logits.astype(np.float64)
    if how == "mean_logit":
        return _mean(exact, subjects)
    if how == "mean_probability":
        from scipy.special import logsumexp, softmax

        logarithms = np.log(_mean(softmax(exact, axis=1), subjects))
        return np.asarray(logarithms - logsumexp(logarithms, axis=1, keepdims=True))
    if how == "median_logit":
        order = np.argsort(subjects, kind="stable")
        own = np.split(exact[order], np.cumsum(np.bincount(subjects))[:-1])
        return np.stack([np.median(rows, axis=0) for rows in own])
    raise ValueError(f"expected mean_logit, median_logit or mean_probability. Received: {how!r}")


def combined_logits(logits: NDArray[np.floating], how: Aggregation) -> NDArray[np.float32]:
    """Aggregate the slices of one subject, slices × classes; the rest as for `subject_logits`.

    >>> combined_logits(np.array([[2.0, 0.0], [0.0, 0.0]]), "mean_logit")
    array([1., 0.], dtype=float32)
    """
    return np.asarray(subject_logits(logits, np.zeros(len(logits), np.int64), how)[0], np.float32)


def _mean(values: NDArray[np.float64], subjects: NDArray[np.int64]) -> NDArray[np.float64]:
    counts = np.bincount(subjects)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, subjects, values)
    return np.asarray(sums / counts[:, None])
