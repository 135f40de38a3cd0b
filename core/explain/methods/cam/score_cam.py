"""Score-CAM: each channel of a feature map is weighted by the score of the scan masked with it.

Wang et al., Score-CAM, CVPR workshops 2020, equations 6 to 8, with the softmax over channels of their code:

    w = softmax_k f_c(x ⊙ s(U(A^k)))          heatmap = ReLU(Σ_k w_k A^k)

U resizes the channel to the scan's size, s scales it to [0, 1], f_c is the logit. Constant channels mask nothing and
are left out.
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from core.explain.cams import unit_range, weighted
from core.explain.explanation import Attribution, Explainer, ExplanationBatch, Floats
from core.explain.placing import resized
from core.networks.inference.prediction import softmax

AT_ONCE = 16


def score_cam(batch: ExplanationBatch, *, channels: Annotated[int, Field(ge=1)] | None = None) -> Attribution:
    """Compute Score-CAM maps, with one forward pass per channel.

    Args:
        batch: The scans to explain.
        channels: Use only so many, those that vary most; None for all, as published.
    """
    maps, used = [], []
    for index in range(len(batch.classes)):
        feature_map = batch.feature_maps[index]
        spread = np.ptp(feature_map.reshape(-1, feature_map.shape[-1]), axis=0)
        chosen = np.flatnonzero(spread > 0)
        if channels is not None:
            chosen = np.sort(chosen[np.argsort(spread[chosen])[::-1][:channels]])
        weights = np.zeros(feature_map.shape[-1], np.float32)
        if len(chosen):
            weights[chosen] = softmax(_scores(batch, index, np.moveaxis(feature_map[..., chosen], -1, 0)))
        maps.append(weighted(feature_map[None], weights[None])[0])
        used.append({"channels": len(chosen)})
    layer = batch.predictor.target_layer
    return Attribution(np.stack(maps), {"layer": layer, "of": "logit"}, layer=layer, checks=used)


def _scores(batch: ExplanationBatch, index: int, maps: Floats) -> Floats:
    scan = batch.inputs[index]
    scores = []
    for start in range(0, len(maps), AT_ONCE):
        masks = resized(unit_range(maps[start : start + AT_ONCE]), scan.shape[:-1])
        scores.append(batch.predictor.logits_of(scan * masks[..., None])[:, batch.classes[index]])
    return np.concatenate(scores)


EXPLAINER = Explainer(
    name="score-cam",
    priority=50,
    title="Score-CAM",
    source="Wang et al., CVPR workshops 2020",
    compute=score_cam,
    shows="Warm colours: where those channels of {layer} are active that alone keep the score of {class_name} high, in "
    "{cells} blocks.",
    hides="Masked scans are unlike any the network was trained on, so their scores may say more about the mask than "
    "about the anatomy.",
    cost="one forward pass per channel",
    known_to_fail="if masked scans have similar scores, all channels get similar weights, and their mean outlines the "
    "head even with random weights",
)
