"""Grad-CAM: which places of a feature map speak for a class.

Selvaraju et al., Grad-CAM, ICCV 2017, equations 1 and 2:

    α_k = (1/Z) Σ_ij ∂y_c / ∂A^k_ij          heatmap = ReLU(Σ_k α_k A^k)

with y_c the logit (not the probability, which saturates) and A the output of the backbone's last block.
"""

import numpy as np

from core.explain.cams import activations_and_gradient, weighted
from core.explain.explanation import Attribution, Explainer, ExplanationBatch


def grad_cam(batch: ExplanationBatch, *, layer: str | None = None) -> Attribution:
    """Compute Grad-CAM maps.

    Args:
        batch: What is to be explained.
        layer: Where; None for the backbone's last.
    """
    activations, gradient = activations_and_gradient(batch, layer)
    weights = gradient.mean(axis=tuple(range(1, gradient.ndim - 1)))
    heat = weighted(activations, np.asarray(weights, np.float32))
    return Attribution(heat, {"layer": layer or batch.predictor.network.target_layer, "of": "logit"})


EXPLAINER = Explainer(
    "grad-cam", 10, "Grad-CAM", "Selvaraju et al., ICCV 2017", grad_cam,
    shows="Where {layer} speaks for {class_name}, in {cells} coarse cells.",
    hides="It says nothing finer than a cell, and averaging the gradient can light up places that did not add to "
    "the answer.",
)  # fmt: skip
