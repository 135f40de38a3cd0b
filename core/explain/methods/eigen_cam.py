"""Eigen-CAM: the pattern that explains most of a feature map, whatever the class.

Muhammad and Yeasin, Eigen-CAM, IJCNN 2020, section III: the activations, places × channels, projected on their first
right singular vector. Its sign is free; here it is the one in which the larger values are positive.
"""

import numpy as np

from core.explain.explanation import Attribution, Explainer, ExplanationBatch


def eigen_cam(batch: ExplanationBatch, *, layer: str | None = None) -> Attribution:
    """Compute Eigen-CAM maps; the setting as for Grad-CAM."""
    target = batch.predictor.network.target_layer
    at_target = layer in (None, target)
    activations = batch.feature_maps if at_target else batch.predictor.activations(batch.inputs, str(layer))
    count, channels = len(activations), activations.shape[-1]
    flat = activations.reshape(count, -1, channels).astype(np.float64)
    projected = np.stack([one @ np.linalg.svd(one, full_matrices=False)[2][0] for one in flat])
    projected *= np.sign(projected[np.arange(count), np.abs(projected).argmax(axis=1)])[:, None]
    heat = np.maximum(projected, 0).reshape(activations.shape[:-1]).astype(np.float32)
    return Attribution(heat, {"layer": layer or target, "of": "activations"})


EXPLAINER = Explainer(
    "eigen-cam", 60, "Eigen-CAM", "Muhammad and Yeasin, IJCNN 2020", eigen_cam,
    shows="Where {layer} is most active, in {cells} cells, whatever the class.",
    hides="It does not depend on the class at all: it is the same map for every answer, and says nothing for or "
    "against one.",
)  # fmt: skip
