"""SmoothGrad: the mean of a gradient method's maps over noisy copies of the scan.

Smilkov et al., SmoothGrad, arXiv:1706.03825, section 2; they use noise of 10 to 20 % of the grey range.
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
        batch: The scans to explain.
        of: The gradient method that is averaged; for the plain gradient the absolute value of the mean is taken.
        copies: Noisy copies per scan.
        noise: Standard deviation of the noise, as a fraction of the grey range.
        seed: Seed for the noise.
    """
    maps = []
    for index in range(len(batch.classes)):
        batches = noisy_maps(batch, index, of=of, copies=copies, noise=noise, seed=seed)
        mean = sum(chunk.sum(axis=0, dtype=np.float64) for chunk in batches) / copies
        maps.append(np.abs(mean) if of == "gradient" else mean)
    return Attribution(np.stack(maps).astype(np.float32), {"of": of})


EXPLAINER = Explainer(
    name="smoothgrad",
    priority=140,
    title="SmoothGrad",
    source="Smilkov et al., arXiv:1706.03825",
    compute=smooth_grad,
    shows="How the logit of {class_name} responds to each pixel ({of}), averaged over {copies} noisy copies of the "
    "scan.",
    hides="The noisy copies are not real scans, and the average hides how much the maps disagree: see VarGrad.",
    signed=True,
    cost="one gradient per copy",
)
