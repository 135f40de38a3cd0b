"""Grad-CAM: which places of the last feature map speak for a class.

Selvaraju et al., Grad-CAM, ICCV 2017, equations 1 and 2:

    α_k = (1/Z) Σ_ij ∂y_c / ∂A^k_ij          heatmap = ReLU(Σ_k α_k A^k)

with y_c the logit (not the probability, which saturates) and A the output of the backbone's last block.
"""

from collections.abc import Sequence

import numpy as np

from core.explain.checks import checked
from core.explain.explanation import Explainer, Explanation
from core.explain.targets import class_places
from core.networks.predictor import Prediction, Predictor
from core.scans import Scan


def grad_cam(predictor: Predictor, scans: Sequence[Scan], class_names: Sequence[str | None]) -> list[Explanation]:
    """Explain scans, one class each, for the price of one forward pass.

    Args:
        predictor: A loaded bundle.
        scans: N scans of any size.
        class_names: N class names; None for the class the network predicts.

    Returns:
        N explanations; one without positive evidence is empty (`is_empty`), never divided by zero.

    Raises:
        StageLensError: A class name is not one of the network's.
    """
    if not scans:
        return []
    greys = [scan.grey() for scan in scans]
    recipe = predictor.network.recipe
    wanted = class_places(recipe, class_names)
    logits, feature_maps, gradients = predictor.feature_gradient(greys, wanted)
    classes = np.where(wanted < 0, logits.argmax(axis=1), wanted)
    weights = gradients.mean(axis=(1, 2))
    heatmaps = np.maximum(np.einsum("nhwk,nk->nhw", feature_maps, weights), 0)
    explanations = [
        Explanation(
            heatmap=heatmap,
            scan_shape=(grey.shape[0], grey.shape[1]),
            input_shape=(recipe.height, recipe.width),
            method=EXPLAINER.name,
            class_name=recipe.classes[place],
            settings={"layer": predictor.network.target_layer, "of": "logit"},
            prediction=Prediction(scan.name, predictor.bundle.name, recipe.classes, row),
        )
        for scan, grey, heatmap, place, row in zip(scans, greys, heatmaps, classes, logits, strict=True)
    ]
    return [checked(explanation, grey) for explanation, grey in zip(explanations, greys, strict=True)]


EXPLAINER = Explainer("grad-cam", 10, "Grad-CAM", "Selvaraju et al., ICCV 2017", grad_cam)
