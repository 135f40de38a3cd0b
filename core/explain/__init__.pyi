"""Explanations of a network's predictions: heatmaps, their checks and their pictures."""

from .attribution import explain as explain
from .attribution import explain_arrays as explain_arrays
from .explanation import Explainer as Explainer
from .explanation import Explanation as Explanation
from .overlay import contours as contours
from .overlay import difference as difference
from .overlay import heatmap_legend as heatmap_legend
from .overlay import heatmap_on_scan as heatmap_on_scan
from .overlay import side_by_side as side_by_side
from .overlay import signed_overlay as signed_overlay
from .registry import explainer as explainer
from .registry import explainers as explainers
