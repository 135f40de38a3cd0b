"""Score-CAM: each channel of a feature map weighs as much as the scan, seen through it, scores for the class.

Wang et al., Score-CAM, CVPR workshops 2020, equations 6 to 8, with the softmax over channels of their code:

    w = softmax_k f_c(x ⊙ s(U(A^k)))          heatmap = ReLU(Σ_k w_k A^k)

U brings the channel to the scan's size, s to [0, 1], f_c is the logit. Channels without any contrast mask nothing
and are left out.
"""

from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.special import softmax

from core.explain.cams import resized, unit_range, weighted
from core.explain.explanation import Attribution, Explainer, ExplanationBatch, Floats

AT_ONCE = 16


def score_cam(batch: ExplanationBatch, *, channels: Annotated[int, Field(ge=1)] | None = None) -> Attribution:
    """Compute Score-CAM maps, a forward pass a channel.

    Args:
        batch: What is to be explained.
        channels: Only so many, those that vary most; None for all, as published.
    """
    heat, used = [], []
    for index in range(len(batch.classes)):
        feature_map = batch.feature_maps[index]
        spread = np.ptp(feature_map.reshape(-1, feature_map.shape[-1]), axis=0)
        chosen = np.flatnonzero(spread > 0)
        if channels is not None:
            chosen = np.sort(chosen[np.argsort(spread[chosen])[::-1][:channels]])
        weights = np.zeros(feature_map.shape[-1], np.float32)
        if len(chosen):
            weights[chosen] = softmax(_scores(batch, index, np.moveaxis(feature_map[..., chosen], -1, 0)))
        heat.append(weighted(feature_map[None], weights[None])[0])
        used.append({"channels": len(chosen)})
    return Attribution(np.stack(heat), {"layer": batch.predictor.network.target_layer, "of": "logit"}, used)


def _scores(batch: ExplanationBatch, index: int, maps: Floats) -> Floats:
    scan = batch.inputs[index]
    scores = []
    for start in range(0, len(maps), AT_ONCE):
        masks = resized(unit_range(maps[start : start + AT_ONCE]), scan.shape[:-1])
        scores.append(batch.predictor.logits_of(scan * masks[..., None])[:, batch.classes[index]])
    return np.concatenate(scores)


EXPLAINER = Explainer(
    "score-cam", 50, "Score-CAM", "Wang et al., CVPR workshops 2020", score_cam,
    shows="Where channels of {layer} are active through which alone the scan still scores for {class_name}, in "
    "{cells} cells.",
    hides="Masked scans are unlike any the network was trained on, so their scores may say more about the mask than "
    "the anatomy.",
    cost="a forward pass a channel",
    known_to_fail="where masked scans score alike all channels weigh alike, and their mean outlines the head for "
    "random weights too",
)  # fmt: skip
