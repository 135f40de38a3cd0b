"""Integrated Gradients: how each pixel's difference from a baseline adds up to the difference in score.

Sundararajan et al., ICML 2017, equation 1:

    IG = (x − x′) ⊙ ∫ ∇f(x′ + a (x − x′)) da over a in [0, 1]

of the logit. The sum over the pixels should be f(x) − f(x′); the deviation from it is always reported.
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core.explain.baselines import baseline_of
from core.explain.explanation import Attribution, Explainer, ExplanationBatch, Floats
from core.explain.paths import SETTLED, Integral, checks_of, integrate_adaptively, integrate_straight, straight

Kind = Literal["black", "blurred", "healthy", "several"]
Rule = Literal["adaptive", "gauss-legendre", "trapezoid", "riemann", "midpoint"]
SEVERAL = ("black", "blurred", "healthy")


def integrated_gradients(
    batch: ExplanationBatch,
    *,
    baseline: Kind = "black",
    rule: Rule = "adaptive",
    points: Annotated[int, Field(ge=2, le=100_000)] = 1024,
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.01,
    settled: Annotated[float, Field(gt=0, lt=1)] = SETTLED,
) -> Attribution:
    """Compute Integrated Gradients.

    Args:
        batch: The scans to explain.
        baseline: What the scan is compared with; "several" averages over all available baselines.
        rule: "adaptive" begins with 16 points and doubles them until the map settles, then refines where the error of
            the sum is largest; the others are fixed.
        points: Maximum number of points for "adaptive", exact number for the others.
        tolerance: Completeness error, as a fraction of the score difference, at which "adaptive" stops.
        settled: Change of the map by doubling the points (L2, as a fraction of the map) at which it counts as settled.
    """
    maps, checks = [], []
    for index in range(len(batch.classes)):
        integrals = [
            _integral(batch, index, start, rule=rule, points=points, stop=(tolerance, settled))
            for start in _baselines(batch, index, baseline)
        ]
        maps.append(np.mean([one.attribution for one in integrals], axis=0)[..., 0])
        checks.append(checks_of(integrals, tolerance=tolerance, settled=settled))
    return Attribution(np.stack(maps), {"of": "logit"}, checks)


def _integral(
    batch: ExplanationBatch, index: int, start: Floats, *, rule: Rule, points: int, stop: tuple[float, float]
) -> Integral:
    if rule == "adaptive":
        path = straight(start, batch.inputs[index])
        return integrate_adaptively(batch, index, path, tolerance=stop[0], settled=stop[1], most=points)
    return integrate_straight(batch, index, start, rule=rule, points=points)


def _baselines(batch: ExplanationBatch, index: int, kind: Kind) -> list[Floats]:
    if kind != "several":
        return [baseline_of(batch, index, kind)]
    recipe = batch.predictor.recipe
    kinds = SEVERAL if recipe.slices is not None and recipe.depth is None else SEVERAL[:2]
    return [baseline_of(batch, index, one) for one in kinds]


EXPLAINER = Explainer(
    name="integrated-gradients",
    priority=100,
    title="Integrated Gradients",
    source="Sundararajan et al., ICML 2017",
    compute=integrated_gradients,
    shows="How each pixel's difference from the {baseline} baseline adds to the logit of {class_name}.",
    hides="Pixels equal to the baseline are never highlighted: with black, dark fluid such as the ventricles cannot "
    "appear.",
    signed=True,
    cost="16 gradients or more",
)
