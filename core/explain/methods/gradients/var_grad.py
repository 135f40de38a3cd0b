"""VarGrad: how much a gradient method's maps vary over noisy copies of the scan.

Adebayo et al., Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values, ICLR
workshop 2018, section 3; the variance is updated batch by batch (Chan, Golub and LeVeque, 1979).
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from core.explain.explanation import Attribution, Explainer, ExplanationBatch
from core.explain.noise import Of, noisy_maps


def var_grad(
    batch: ExplanationBatch,
    *,
    of: Of = "gradient",
    copies: Annotated[int, Field(ge=2, le=10_000)] = 32,
    noise: Annotated[float, Field(gt=0, le=1)] = 0.1,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Attribution:
    """Compute VarGrad; the settings are those of SmoothGrad."""
    maps = []
    for index in range(len(batch.classes)):
        count = 0
        mean, squares = np.zeros((2, 1))  # of the maps' shape after the first batch
        for chunk in noisy_maps(batch, index, of=of, copies=copies, noise=noise, seed=seed):
            own, size = chunk.mean(axis=0, dtype=np.float64), len(chunk)
            apart = own - mean
            squares = squares + ((chunk - own) ** 2).sum(axis=0) + apart**2 * count * size / (count + size)
            mean, count = mean + apart * size / (count + size), count + size
        maps.append(squares / (copies - 1))
    return Attribution(np.stack(maps).astype(np.float32), {"of": of})


EXPLAINER = Explainer(
    name="vargrad",
    priority=150,
    title="VarGrad",
    source="Adebayo et al., ICLR workshop 2018",
    compute=var_grad,
    shows="Where the {of} of {class_name} varies most over {copies} noisy copies of the scan.",
    hides="It measures variability, not evidence: a high value is evidence neither for nor against the class.",
    cost="one gradient per copy",
)
