"""Scores of one scan under many masks, streamed: the basis of occlusion, RISE and the faithfulness checks."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.explain.explanation import ExplanationBatch, Floats
from core.networks.inference.prediction import softmax

AT_ONCE, VOLUMES_AT_ONCE = 16, 1


def masked_scores(
    batch: ExplanationBatch,
    index: int,
    count: int,
    masks: Callable[[int, int], Floats],
    *,
    instead: Floats | None = None,
    as_probability: bool = False,
) -> NDArray[np.float64]:
    """Return the score of the class for a scan under each of many masks.

    Args:
        batch: The scans and classes explained.
        index: Index of the scan in the batch.
        count: Number of masks.
        masks: From the number of the first mask and of the one after the last to masks, n × (d ×) h × w, 1 where the
            scan is visible.
        instead: What is visible elsewhere, of the input's shape; None for black.
        as_probability: Whether the score is the probability rather than the logit.

    Returns:
        float64, count.
    """
    scan, scores = batch.inputs[index], []
    at_once = AT_ONCE if scan.ndim == 3 else VOLUMES_AT_ONCE
    for start in range(0, count, at_once):
        seen = masks(start, min(start + at_once, count))[..., None]
        given = scan * seen if instead is None else instead + (scan - instead) * seen
        logits = batch.predictor.logits_of(np.asarray(given, np.float32)).astype(np.float64)
        scores.append((softmax(logits) if as_probability else logits)[:, batch.classes[index]])
    return np.concatenate(scores)
