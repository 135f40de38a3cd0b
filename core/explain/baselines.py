"""Baselines: images without the evidence, with which a scan is compared."""

import numpy as np

from core.errors import StageLensError
from core.explain.explanation import ExplanationBatch, Floats

BLUR_FRACTION = 0.1  # sigma of the blurred baseline, as a fraction of the shorter side


def baseline_of(batch: ExplanationBatch, index: int, kind: str) -> Floats:
    """Return a baseline of the input's shape, grey levels in [0, 255].

    Args:
        batch: The scans explained.
        index: Index of the scan in the batch.
        kind: "black" (air); "blurred" (the scan without its detail); "healthy" (the ICBM average of 152 healthy
            people at the same height, for networks that read slices in standard space; if the height of a slice is not
            known, at the middle of the range the network reads).

    Raises:
        StageLensError: The network does not read slices in standard space, so there is no average that matches its
            scans.
    """
    from core.scans.registration.atlas import average_slice

    scan = batch.inputs[index]
    if kind == "black":
        return np.zeros_like(scan)
    if kind == "blurred":
        return blurred(scan, BLUR_FRACTION * min(scan.shape[-3:-1]))
    slices = batch.predictor.recipe.slices
    if slices is None or scan.ndim != 3:
        raise StageLensError(
            "the baseline healthy is an average of slices in standard space, which this network does not read; use "
            "black or blurred."
        )
    height = batch.heights_mm[index]
    middle = (slices.lowest_mm + slices.highest_mm) / 2
    (found,) = batch.predictor.inputs([average_slice(middle if height is None else height)])
    return np.asarray(found)


def blurred(scan: Floats, sigma: float) -> Floats:
    """Blur an input, … × height × width × 1, with a Gaussian whose standard deviation is given in pixels."""
    from scipy.ndimage import gaussian_filter

    sigmas = (sigma,) * (scan.ndim - 1) + (0,)
    return np.asarray(gaussian_filter(scan, sigmas, mode="nearest"), np.float32)
