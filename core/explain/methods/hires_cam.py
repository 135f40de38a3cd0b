"""HiResCAM: activations times gradients, cell by cell, so that only places that changed the answer light up.

Draelos and Carin, Use HiResCAM instead of Grad-CAM, arXiv:2011.08891, equation 4; here with a ReLU behind it:

    heatmap = ReLU(Σ_k ∂y_c/∂A^k ⊙ A^k)
"""

import numpy as np

from core.explain.cams import activations_and_gradient
from core.explain.explanation import Attribution, Explainer, ExplanationBatch


def hires_cam(batch: ExplanationBatch, *, layer: str | None = None) -> Attribution:
    """Compute HiResCAM maps; the setting as for Grad-CAM."""
    activations, gradient = activations_and_gradient(batch, layer)
    heat = np.maximum((activations * gradient).sum(axis=-1), 0)
    return Attribution(heat, {"layer": layer or batch.predictor.network.target_layer, "of": "logit"})


EXPLAINER = Explainer(
    "hires-cam", 30, "HiResCAM", "Draelos and Carin, arXiv:2011.08891", hires_cam,
    shows="Which of {cells} cells of {layer} added to the logit of {class_name}.",
    hides="It says nothing finer than a cell; behind pooling and one dense layer it is Grad-CAM.",
)  # fmt: skip
