"""Gradient maps of noisy copies of a scan, streamed: what SmoothGrad and VarGrad sum up."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from core.explain.explanation import Asked, Floats
from core.explain.registry import explainer

Of = Literal["gradient", "input-x-gradient", "integrated-gradients", "guided-backprop"]
AT_ONCE = 16
GREY_RANGE = 255.0


def noisy_maps(
    asked: Asked, place: int, *, of: Of, copies: int, noise: float, seed: int, **settings: Any
) -> Iterator[Floats]:
    """Yield batches of maps, n × h × w, of noisy copies of one scan.

    Args:
        asked: Whose scan and class.
        place: Which one.
        of: The gradient method.
        copies: How many.
        noise: Standard deviation of the noise, as a share of the grey range.
        seed: Of the noise.
        settings: Of the gradient method.
    """
    rng, scan = np.random.default_rng([seed, place]), asked.fitted[place]
    at_once = AT_ONCE if scan.ndim == 3 else 1
    for start in range(0, copies, at_once):
        count = min(at_once, copies - start)
        given = (scan + rng.normal(0, noise * GREY_RANGE, (count, *scan.shape))).astype(np.float32)
        some = replace(
            asked,
            fitted=given,
            classes=np.full(count, asked.classes[place]),
            feature_maps=asked.feature_maps[place : place + 1],
            logits=asked.logits[place : place + 1],
            heights_mm=[asked.heights_mm[place]] * count,
        )
        if of == "gradient":  # signed, so that noise cancels; its mean is made absolute at the end
            yield asked.predictor.input_gradient(given, some.classes)[1][..., 0]
        else:
            yield explainer(of).compute(some, **settings).maps
