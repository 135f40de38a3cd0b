"""Gradient maps of noisy copies of a scan, streamed: the basis of SmoothGrad and VarGrad."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from core.explain.explanation import ExplanationBatch, Floats
from core.explain.registry import explainer

Of = Literal["gradient", "input-x-gradient", "integrated-gradients", "guided-backprop"]
AT_ONCE = 16
GREY_RANGE = 255.0


def noisy_maps(
    batch: ExplanationBatch, index: int, *, of: Of, copies: int, noise: float, seed: int, **settings: Any
) -> Iterator[Floats]:
    """Yield batches of maps, n × h × w, of noisy copies of one scan.

    Args:
        batch: The scans and classes explained.
        index: Index of the scan in the batch.
        of: The gradient method.
        copies: Number of copies.
        noise: Standard deviation of the noise, as a fraction of the grey range.
        seed: Seed for the noise.
        settings: Settings of the gradient method.
    """
    rng, scan = np.random.default_rng([seed, index]), batch.inputs[index]
    at_once = AT_ONCE if scan.ndim == 3 else 1
    for start in range(0, copies, at_once):
        count = min(at_once, copies - start)
        given = (scan + rng.normal(0, noise * GREY_RANGE, (count, *scan.shape))).astype(np.float32)
        some = replace(
            batch,
            inputs=given,
            classes=np.full(count, batch.classes[index]),
            feature_maps=batch.feature_maps[index : index + 1],
            logits=batch.logits[index : index + 1],
            heights_mm=[batch.heights_mm[index]] * count,
        )
        if of == "gradient":  # signed, so that noise cancels; the absolute value of the mean is taken at the end
            yield batch.predictor.input_gradient(given, some.classes)[1][..., 0]
        else:
            yield explainer(of).compute(some, **settings).maps
