"""Grad-CAM: which positions of a feature map are evidence for a class.

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
        batch: The scans to explain.
        layer: Name of the layer; None for the backbone's last.
    """
    activations, gradient = activations_and_gradient(batch, layer)
    weights = gradient.mean(axis=tuple(range(1, gradient.ndim - 1)))
    maps = weighted(activations, np.asarray(weights, np.float32))
    at = layer or batch.predictor.target_layer
    return Attribution(maps, {"layer": at, "of": "logit"}, layer=at)


EXPLAINER = Explainer(
    name="grad-cam",
    priority=10,
    title="Grad-CAM",
    source="Selvaraju et al., ICCV 2017",
    compute=grad_cam,
    shows="Warm colours: regions that pushed the network towards {class_name} (layer {layer}). The map is coarse: "
    "{cells} blocks.",
    hides="Read no detail into it: the map is accurate to one block and can highlight regions that did not matter.",
    cost="a forward pass; with another layer or a head of several layers also a gradient",
)
