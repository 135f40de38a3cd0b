"""Contributions: what every place adds to the score of a morphometric model. Nothing is sampled or approximated.

The score is linear in the tissue maps x, so with x̄ the mean maps of healthy people (of the same age, where it is known)

    score(x) = score(x̄) + Σ_j w_j (x_j − x̄_j)          heatmap_j = w_j (x_j − x̄_j)

which is also the Shapley value of each place (Lundberg and Lee, NeurIPS 2017, corollary 1, linear SHAP).
"""

import numpy as np

from core.errors import StageLensError
from core.explain.explanation import Attribution, Explainer, ExplanationBatch
from core.morphometry.tissue import TISSUES
from core.networks.inference.morphometric import LAYER, as_maps


def contributions(batch: ExplanationBatch) -> Attribution:
    """Divide each scan's score among the places of the brain.

    Args:
        batch: The scans to explain; all of one age, where their predictor knows it.

    Raises:
        StageLensError: The bundle is a network.
    """
    predictor = batch.predictor
    model = predictor.tissue_model
    if model is None:
        raise StageLensError(
            f"contributions are exact for morphometric models only, and {predictor.bundle.name} is a network; choose "
            "another method."
        )
    positives = np.array(predictor.recipe.as_task().positives)
    maps, checks = [], []
    for one, chosen in zip(as_maps(batch.feature_maps), batch.classes, strict=True):
        each, expected, score = model.contributions(one, predictor.age)
        towards = 1.0 if positives[chosen] else -1.0
        maps.append(towards * each.sum(axis=0))
        by_tissue = {TISSUES[index]: float(towards * part.sum()) for index, part in enumerate(each)}
        checks.append(
            {
                "score": score,
                "score_of_healthy": expected,
                "sum": float(each.sum(dtype=np.float64)),
                "by_tissue": by_tissue,
                "age_used": predictor.age,
            }
        )
    return Attribution(np.stack(maps).astype(np.float32), {"exact": True}, checks, layer=LAYER)


EXPLAINER = Explainer(
    name="contributions",
    priority=200,
    title="Contributions (exact)",
    source="Lundberg and Lee, NeurIPS 2017",
    compute=contributions,
    shows="Exact: what each block of 4 mm adds to the score for {class_name}, in comparison with healthy people (of "
    "the same age, where it is known); all blocks add up to the difference of the two scores.",
    hides="It says where fluid and grey matter differ from what is usual, and not why; a model that is wrong has exact "
    "contributions, too.",
    signed=True,
    cost="none beyond the prediction; for morphometric models only",
    morphometric=True,
)
