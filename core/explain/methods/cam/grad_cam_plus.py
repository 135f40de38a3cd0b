"""Grad-CAM++: Grad-CAM with weights that count every occurrence of a feature, not their mean.

Chattopadhay et al., Grad-CAM++, WACV 2018, equations 10 and 19, for the exponential of the logit, whose higher
derivatives are powers of the first:

    α = g² / (2 g² + Σ_ab A · g³)          w_k = Σ_ij α ReLU(g)          heatmap = ReLU(Σ_k w_k A^k)
"""

import numpy as np

from core.explain.cams import activations_and_gradient, weighted
from core.explain.explanation import Attribution, Explainer, ExplanationBatch


def grad_cam_plus(batch: ExplanationBatch, *, layer: str | None = None) -> Attribution:
    """Compute Grad-CAM++ maps; the setting is that of Grad-CAM."""
    activations, gradient = activations_and_gradient(batch, layer)
    axes = tuple(range(1, activations.ndim - 1))
    cells = int(np.prod(activations.shape[1:-1]))
    repeats = cells if gradient.shape[1:-1] != activations.shape[1:-1] else 1  # the closed form has one cell for all
    g = gradient.astype(np.float64)
    total = activations.sum(axis=axes, keepdims=True, dtype=np.float64)
    denominator = 2 * g**2 + total * g**3
    alpha = np.divide(g**2, denominator, out=np.zeros_like(g), where=denominator != 0)
    weights = (alpha * np.maximum(g, 0)).sum(axis=axes) * repeats
    maps = weighted(activations, np.asarray(weights, np.float32))
    at = layer or batch.predictor.target_layer
    return Attribution(maps, {"layer": at, "of": "exponential of the logit"}, layer=at)


EXPLAINER = Explainer(
    name="grad-cam++",
    priority=20,
    title="Grad-CAM++",
    source="Chattopadhay et al., WACV 2018",
    compute=grad_cam_plus,
    shows="Warm colours: regions that pushed the network towards {class_name} (layer {layer}), with every occurrence "
    "of a feature counted. The map is coarse: {cells} blocks.",
    hides="Read no detail into it: the map is accurate to one block, and evidence against the class is left out.",
    cost="a forward pass; with another layer or a head of several layers also a gradient",
)
