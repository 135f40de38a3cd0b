"""Cheap checks that every heatmap carries."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.explain.explanation import Explanation
from core.explain.overlay import heatmap_on_scan
from core.scans import BACKGROUND


def checked(explanation: Explanation, grey: NDArray[np.float32]) -> Explanation:
    """Return an explanation with its checks: `finite`, and `share_on_background` beside `background` of the scan.

    Args:
        explanation: A fresh explanation.
        grey: The scan it explains, float32, H × W, in [0, 255].
    """
    checks = {"finite": bool(np.isfinite(explanation.heatmap).all()), "background": float((grey <= BACKGROUND).mean())}
    if not explanation.is_empty:
        checks["share_on_background"] = share_on_background(heatmap_on_scan(explanation), grey)
    return replace(explanation, checks=checks)


def share_on_background(heat: NDArray[np.float32], grey: NDArray[np.float32]) -> float:
    """Return which share of the evidence lies on dark background, where there is no anatomy to speak for anything.

    Dark fluid counts as background too, so a share as large as the dark part of the picture says nothing bad; a network
    that looks at the air around the head has a larger one.

    Args:
        heat: float32, H × W, not negative, in the scan's pixels.
        grey: float32, H × W, in [0, 255].

    Returns:
        A share in [0, 1]; NaN when there is no evidence at all.
    """
    total = float(heat.sum())
    return float(heat[grey <= BACKGROUND].sum()) / total if total > 0 else float("nan")
