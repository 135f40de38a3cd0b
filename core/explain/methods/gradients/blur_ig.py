"""Blur Integrated Gradients: the path from a blurred scan to the sharp one, so that no intensity is the baseline.

Xu, Venugopalan and Sundararajan, Attribution in Scale and Space, CVPR 2020, equation 4. The path runs through Gaussian
scale space, with a standard deviation that falls linearly to zero; the integration is adaptive (`core.explain.paths`).
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.explain.baselines import blurred
from core.explain.explanation import Attribution, Explainer, ExplanationBatch, Floats
from core.explain.paths import SETTLED, checks_of, integrate_adaptively


def blur_ig(
    batch: ExplanationBatch,
    *,
    sigma_fraction: Annotated[float, Field(gt=0, le=1)] = 0.1,
    points: Annotated[int, Field(ge=2, le=4096)] = 1024,
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.01,
    settled: Annotated[float, Field(gt=0, lt=1)] = SETTLED,
) -> Attribution:
    """Compute Blur-IG.

    Args:
        batch: The scans to explain.
        sigma_fraction: Standard deviation of the strongest blur, as a fraction of the shorter side.
        points: Maximum number of points.
        tolerance: Completeness error, as a fraction of the score difference, at which to stop.
        settled: Change of the map by doubling the points (L2, as a fraction of the map) at which it counts as settled.
    """
    maps, checks = [], []
    for index, scan in enumerate(batch.inputs):
        strongest = sigma_fraction * min(scan.shape[-3:-1])

        def path(alphas: NDArray[np.float64], scan: Floats = scan, strongest: float = strongest) -> Floats:
            return np.stack([blurred(scan, strongest * (1 - alpha)) for alpha in alphas])

        integral = integrate_adaptively(batch, index, path, tolerance=tolerance, settled=settled, most=points)
        maps.append(integral.attribution[..., 0])
        checks.append(checks_of([integral], tolerance=tolerance, settled=settled))
    return Attribution(np.stack(maps), {"of": "logit"}, checks)


EXPLAINER = Explainer(
    name="blur-ig",
    priority=110,
    title="Blur-IG",
    source="Xu et al., CVPR 2020",
    compute=blur_ig,
    shows="Which details, as they come into focus, add to the logit of {class_name}.",
    hides="What a blurred scan already shows, such as overall size and brightness, belongs to the baseline and is not "
    "highlighted.",
    signed=True,
    cost="16 gradients or more",
)
