"""LayerCAM: positive gradients weigh each cell alone, which keeps fine layers readable; several layers can be fused.

Jiang et al., LayerCAM, IEEE Transactions on Image Processing 30:5875, 2021, equations 6 to 8:

    heatmap = ReLU(Σ_k ReLU(∂y_c/∂A^k) ⊙ A^k)

Fusion as there: each layer's map M becomes tanh(2 M / max M), and the largest over the layers is taken.
"""

import numpy as np

from core.explain.cams import activations_and_gradient, resized
from core.explain.explanation import Attribution, Explainer, ExplanationBatch, Floats

SCALE = 2.0


def layer_cam(batch: ExplanationBatch, *, layers: tuple[str, ...] = ()) -> Attribution:
    """Compute LayerCAM maps.

    Args:
        batch: What is to be explained.
        layers: Where; several are fused at the resolution of the finest. None given: the backbone's last.
    """
    target = batch.predictor.network.target_layer
    maps = [_one(batch, layer) for layer in layers or (target,)]
    said = {"layers": list(layers or (target,)), "layer": " and ".join(layers or (target,)), "of": "logit"}
    if len(maps) == 1:
        return Attribution(maps[0], said)
    finest = max((one.shape[1:] for one in maps), key=np.prod)
    return Attribution(np.stack([resized(_squashed(one), finest) for one in maps]).max(axis=0), said)


def _one(batch: ExplanationBatch, layer: str) -> Floats:
    activations, gradient = activations_and_gradient(batch, layer)
    return np.asarray(np.maximum((activations * np.maximum(gradient, 0)).sum(axis=-1), 0), np.float32)


def _squashed(maps: Floats) -> Floats:
    peak = maps.max(axis=tuple(range(1, maps.ndim)), keepdims=True)
    return np.asarray(np.tanh(SCALE * maps / np.where(peak > 0, peak, 1)), np.float32)


EXPLAINER = Explainer(
    "layer-cam", 40, "LayerCAM", "Jiang et al., IEEE TIP 2021", layer_cam,
    shows="Where features of {layer} that speak for {class_name} are active, in {cells} cells.",
    hides="Evidence against the class is left out, and a fusion of layers has no unit: its values only rank places.",
)  # fmt: skip
