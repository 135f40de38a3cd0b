"""Grad-CAM++: Grad-CAM with weights that count every place where a feature shows, not their mean.

Chattopadhay et al., Grad-CAM++, WACV 2018, equations 10 and 19, for the exponential of the logit, whose higher
derivatives are powers of the first:

    α = g² / (2 g² + Σ_ab A · g³)          w_k = Σ_ij α ReLU(g)          heatmap = ReLU(Σ_k w_k A^k)
"""

import numpy as np

from core.explain.cams import activations_and_gradient, weighted
from core.explain.explanation import Attribution, Explainer, ExplanationBatch


def grad_cam_plus(batch: ExplanationBatch, *, layer: str | None = None) -> Attribution:
    """Compute Grad-CAM++ maps; the setting as for Grad-CAM."""
    activations, gradient = activations_and_gradient(batch, layer)
    axes = tuple(range(1, activations.ndim - 1))
    cells = int(np.prod(activations.shape[1:-1]))
    repeats = cells if gradient.shape[1:-1] != activations.shape[1:-1] else 1  # the closed form gives one cell of many
    g = gradient.astype(np.float64)
    total = activations.sum(axis=axes, keepdims=True, dtype=np.float64)
    below = 2 * g**2 + total * g**3
    alpha = np.divide(g**2, below, out=np.zeros_like(g), where=below != 0)
    weights = (alpha * np.maximum(g, 0)).sum(axis=axes) * repeats
    heat = weighted(activations, np.asarray(weights, np.float32))
    return Attribution(heat, {"layer": layer or batch.predictor.network.target_layer, "of": "exponential of the logit"})


EXPLAINER = Explainer(
    "grad-cam++", 20, "Grad-CAM++", "Chattopadhay et al., WACV 2018", grad_cam_plus,
    shows="Where {layer} speaks for {class_name}, every occurrence of a feature counted, in {cells} coarse cells.",
    hides="It says nothing finer than a cell, and only features with a positive gradient count: evidence against is "
    "left out.",
)  # fmt: skip
