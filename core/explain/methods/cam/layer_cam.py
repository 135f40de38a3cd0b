"""LayerCAM: positive gradients weight each cell separately, which keeps fine layers readable; layers can be fused.

Jiang et al., LayerCAM, IEEE Transactions on Image Processing 30:5875, 2021, equations 6 to 8:

    heatmap = ReLU(Σ_k ReLU(∂y_c/∂A^k) ⊙ A^k)

Fusion as there: each layer's map M becomes tanh(2 M / max M), and the largest over the layers is taken.
"""

import numpy as np

from core.explain.cams import activations_and_gradient
from core.explain.explanation import Attribution, Explainer, ExplanationBatch, Floats
from core.explain.placing import drawn_at

SCALE = 2.0


def layer_cam(batch: ExplanationBatch, *, layers: tuple[str, ...] = ()) -> Attribution:
    """Compute LayerCAM maps.

    Args:
        batch: The scans to explain.
        layers: Names of layers; several are fused at the resolution of the finest. If empty, the backbone's last.
    """
    chosen = layers or (batch.predictor.target_layer,)
    maps = [_maps_at(batch, layer) for layer in chosen]
    settings = {"layers": list(chosen), "layer": " and ".join(chosen), "of": "logit"}
    if len(maps) == 1:
        return Attribution(maps[0], settings, layer=chosen[0])
    finest = max(zip(maps, chosen, strict=True), key=lambda pair: pair[0][0].size)[1]
    centres = [batch.predictor.cell_centres(layer) for layer in (*chosen, finest)]
    drawn = [drawn_at(_squashed(one), at, centres[-1]) for one, at in zip(maps, centres, strict=False)]
    return Attribution(np.stack(drawn).max(axis=0), settings, layer=finest)


def _maps_at(batch: ExplanationBatch, layer: str) -> Floats:
    activations, gradient = activations_and_gradient(batch, layer)
    return np.asarray(np.maximum((activations * np.maximum(gradient, 0)).sum(axis=-1), 0), np.float32)


def _squashed(maps: Floats) -> Floats:
    peak = maps.max(axis=tuple(range(1, maps.ndim)), keepdims=True)
    return np.asarray(np.tanh(SCALE * maps / np.where(peak > 0, peak, 1)), np.float32)


EXPLAINER = Explainer(
    name="layer-cam",
    priority=40,
    title="LayerCAM",
    source="Jiang et al., IEEE TIP 2021",
    compute=layer_cam,
    shows="Warm colours: where features of {layer} that support {class_name} are active, in {cells} blocks.",
    hides="Evidence against the class is left out, and a fusion of layers has no unit: its values only rank regions.",
    cost="a forward pass; with another layer or a head of several layers also a gradient",
)
