"""SmoothGrad: the mean of a gradient method's maps over noisy copies of the scan.

Smilkov et al., SmoothGrad, arXiv:1706.03825, section 2; a noise of 10 to 20 % of the grey range is theirs.
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from core.explain.explanation import Attribution, Explainer, ExplanationBatch
from core.explain.noise import Of, noisy_maps


def smooth_grad(
    batch: ExplanationBatch,
    *,
    of: Of = "gradient",
    copies: Annotated[int, Field(ge=1, le=10_000)] = 32,
    noise: Annotated[float, Field(ge=0, le=1)] = 0.1,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Attribution:
    """Compute SmoothGrad.

    Args:
        batch: What is to be explained.
        of: The gradient method that is averaged; of the plain gradient the absolute value of the mean is taken.
        copies: Noisy copies a scan.
        noise: Standard deviation of the noise, as a share of the grey range.
        seed: Of the noise.
    """
    maps = []
    for index in range(len(batch.classes)):
        batches = noisy_maps(batch, index, of=of, copies=copies, noise=noise, seed=seed)
        mean = sum(chunk.sum(axis=0, dtype=np.float64) for chunk in batches) / copies
        maps.append(np.abs(mean) if of == "gradient" else mean)
    return Attribution(np.stack(maps).astype(np.float32), {"of": of})


EXPLAINER = Explainer(
    "smoothgrad", 140, "SmoothGrad", "Smilkov et al., arXiv:1706.03825", smooth_grad,
    shows="How the logit of {class_name} answers to each pixel ({of}), averaged over {copies} noisy copies of the "
    "scan.",
    hides="The noisy copies are not scans; what the average hides is how much the maps disagree: see VarGrad.",
    signed=True, cost="a gradient a copy",
)  # fmt: skip
