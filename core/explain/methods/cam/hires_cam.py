"""HiResCAM: activations times gradients, cell by cell, so that only regions that affected the prediction light up.

Draelos and Carin, Use HiResCAM instead of Grad-CAM, arXiv:2011.08891, equation 4; here followed by a ReLU:

    heatmap = ReLU(Σ_k ∂y_c/∂A^k ⊙ A^k)
"""

import numpy as np

from core.explain.cams import activations_and_gradient
from core.explain.explanation import Attribution, Explainer, ExplanationBatch


def hires_cam(batch: ExplanationBatch, *, layer: str | None = None) -> Attribution:
    """Compute HiResCAM maps; the setting is that of Grad-CAM."""
    activations, gradient = activations_and_gradient(batch, layer)
    maps = np.maximum((activations * gradient).sum(axis=-1), 0)
    at = layer or batch.predictor.target_layer
    return Attribution(maps, {"layer": at, "of": "logit"}, layer=at)


EXPLAINER = Explainer(
    name="hires-cam",
    priority=30,
    title="HiResCAM",
    source="Draelos and Carin, arXiv:2011.08891",
    compute=hires_cam,
    shows="Warm colours: which of {cells} blocks of {layer} added to the logit of {class_name}.",
    hides="Read no detail into it: the map is accurate to one block. After pooling and one dense layer it equals "
    "Grad-CAM.",
    cost="a forward pass; with another layer or a head of several layers also a gradient",
)
