"""Eigen-CAM: the pattern that explains most of a feature map, whatever the class.

Muhammad and Yeasin, Eigen-CAM, IJCNN 2020, section III: the activations, positions × channels, projected onto their
first right singular vector. Its sign is arbitrary; here the value of largest magnitude is positive.
"""

import numpy as np

from core.explain.explanation import Attribution, Explainer, ExplanationBatch


def eigen_cam(batch: ExplanationBatch, *, layer: str | None = None) -> Attribution:
    """Compute Eigen-CAM maps; the setting is that of Grad-CAM."""
    target = batch.predictor.target_layer
    at_target = layer in (None, target)
    activations = batch.feature_maps if at_target else batch.predictor.activations(batch.inputs, str(layer))
    count, channels = len(activations), activations.shape[-1]
    flat = activations.reshape(count, -1, channels).astype(np.float64)
    projected = np.stack([one @ np.linalg.svd(one, full_matrices=False)[2][0] for one in flat])
    projected *= np.sign(projected[np.arange(count), np.abs(projected).argmax(axis=1)])[:, None]
    maps = np.maximum(projected, 0).reshape(activations.shape[:-1]).astype(np.float32)
    return Attribution(maps, {"layer": layer or target, "of": "activations"}, layer=layer or target)


EXPLAINER = Explainer(
    name="eigen-cam",
    priority=60,
    title="Eigen-CAM",
    source="Muhammad and Yeasin, IJCNN 2020",
    compute=eigen_cam,
    shows="Where {layer} is most active, whatever the class. The map is coarse: {cells} blocks.",
    hides="It does not depend on the class: the map is the same for every class and is no evidence for or against any.",
    cost="a forward pass; with another layer two",
    of_no_class=True,
)
