"""Occlusion by anatomical region: how far the logit drops when a region is smoothed away.

Occlusion as in Zeiler and Fergus (ECCV 2014), with regions of the average brain (`core.scans.registration.atlas`) in
place of patches. The scan must be in standard space, and the height of its slice must be known.
"""

from typing import Literal

import numpy as np

from core.errors import StageLensError
from core.explain.anatomy import regions_at_input
from core.explain.baselines import baseline_of
from core.explain.explanation import Attribution, Explainer, ExplanationBatch, Floats
from core.explain.masking import masked_scores


def region_occlusion(
    batch: ExplanationBatch, *, baseline: Literal["black", "blurred", "healthy"] = "blurred"
) -> Attribution:
    """Compute how much each region matters; every pixel gets its region's drop divided by the region's size.

    Args:
        batch: The scans to explain; the height of each slice must be known.
        baseline: What replaces the region.

    Raises:
        StageLensError: A height is not known, or the network does not read standard space.
    """
    from core.scans.registration.atlas import REGIONS

    maps, checks = [], []
    for index in range(len(batch.classes)):
        labels = regions_at_input(batch, index)
        present = [label for label in np.unique(labels) if label]
        if not present:
            raise StageLensError("no region of the brain lies at this height; give the height of the slice in mm.")

        def masks(first: int, last: int, labels: np.ndarray = labels, present: list[int] = present) -> Floats:
            return np.stack([labels != label for label in present[first:last]]).astype(np.float32)

        scores = masked_scores(batch, index, len(present), masks, instead=baseline_of(batch, index, baseline))
        drops = batch.logits[index, batch.classes[index]] - scores
        heatmap = np.zeros(labels.shape, np.float32)
        for label, drop in zip(present, drops, strict=True):
            heatmap[labels == label] = drop / (labels == label).sum()
        maps.append(heatmap)
        checks.append({"regions": {REGIONS[label]: float(drop) for label, drop in zip(present, drops, strict=True)}})
    return Attribution(np.stack(maps), {"of": "logit"}, checks)


EXPLAINER = Explainer(
    name="regions",
    priority=210,
    title="Occlusion by region",
    source="Zeiler and Fergus, ECCV 2014; ICBM tissue maps (Fonov et al., 2011)",
    compute=region_occlusion,
    shows="How far the logit of {class_name} drops when a region of the average brain is replaced by the {baseline} "
    "baseline.",
    hides="The regions are those of the average brain, not of this person, and regions with the same evidence hide "
    "each other.",
    signed=True,
    cost="one forward pass per region",
)
