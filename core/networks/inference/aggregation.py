"""From the logits of one person's slices to the logits of the person."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax


def combined_logits(logits: NDArray[np.float32], how: str) -> NDArray[np.float32]:
    """Combine slices.

    Args:
        logits: float32, slices × classes.
        how: "mean_logit", "median_logit" or "mean_probability", as in `Slices.combine`.

    Returns:
        float32, classes; their softmax is the person's probability.

    >>> combined_logits(np.array([[2.0, 0.0], [0.0, 0.0]]), "mean_logit")
    array([1., 0.], dtype=float32)
    """
    exact = logits.astype(np.float64)
    if how == "mean_logit":
        together = exact.mean(axis=0)
    elif how == "median_logit":
        together = np.median(exact, axis=0)
    elif how == "mean_probability":
        together = np.log(softmax(exact, axis=1).mean(axis=0))
        together -= logsumexp(together)
    else:
        raise ValueError(f"expected mean_logit, median_logit or mean_probability. Received: {how!r}")
    return np.asarray(together, np.float32)
