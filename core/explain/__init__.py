"""Explanations of a network's predictions: heatmaps, their checks and their pictures."""

from core.explain.attribution import explain, explain_arrays
from core.explain.explanation import Explainer, Explanation
from core.explain.overlay import (
    contours,
    difference,
    heatmap_legend,
    heatmap_on_scan,
    overlay,
    side_by_side,
    signed_overlay,
)
from core.explain.registry import explainer, explainers
from core.scans.writing import png_bytes

__all__ = [
    "Explainer",
    "Explanation",
    "contours",
    "difference",
    "explain",
    "explain_arrays",
    "explainer",
    "explainers",
    "heatmap_legend",
    "heatmap_on_scan",
    "overlay",
    "png_bytes",
    "side_by_side",
    "signed_overlay",
]
