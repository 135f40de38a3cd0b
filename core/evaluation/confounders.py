"""What simple facts about people achieve without any picture, and how much of a network's answer they explain.

In the public Alzheimer set the youngest people are all healthy, so a network may read youth and call it health. A
figure means little until it stands beside what age alone achieves.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.evaluation.auc import weighted_auc
from core.evaluation.metrics import Estimate, draw_people, estimate

MUCH, SOME = 0.10, 0.02  # of the variance of a network's score, and of the interval's lower end, that are warned of
NEAR = 0.05  # of area: a covariate alone that comes so near to the network is warned of


@dataclass(frozen=True)
class Covariate:
    """One fact about people.

    Attributes:
        name: "age", "sex" or "site".
        people: Of how many people it is known; the others are left out.
        alone: Area under the ROC curve, impaired or not, of the covariate by itself: age as it is, a category by the
            share of impaired among these same people who have it, which flatters categories of few people.
        explained: Share of the variance of the network's score that it explains: r² of age, η² of a category.
    """

    name: str
    people: int
    alone: Estimate
    explained: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"name": self.name, "people": self.people, "auc_alone": _plain(self.alone),
                "variance_explained": _plain(self.explained)}  # fmt: skip


def covariate(name: str, values: pd.Series, impaired: NDArray[np.bool_], score: NDArray[np.float64]) -> Covariate:
    """Measure one fact about people.

    Args:
        name: "age" is a number; others are categories.
        values: N, a row a person; NaN or "" where unknown.
        impaired: bool, N.
        score: The network's, N: higher for impaired.
    """
    known = values.notna().to_numpy() if name == "age" else (values != "").to_numpy()
    given, truth, answer = values[known], impaired[known], score[known]
    if len(given) == 0:
        nothing = Estimate(float("nan"), float("nan"), float("nan"), "it is known of nobody")
        return Covariate(name, 0, nothing, nothing)
    everybody, draws = np.ones((1, len(given)), np.int64), draw_people(len(given))
    if name == "age":
        risk = given.to_numpy(np.float64)
        fraction = [_squared_correlation(risk, answer, weights) for weights in (everybody, draws)]
    else:
        kinds = np.unique(given.to_numpy(str), return_inverse=True)[1]
        risk = (np.bincount(kinds, weights=truth) / np.bincount(kinds))[kinds]
        fraction = [_between(kinds, answer, weights) for weights in (everybody, draws)]
    auc = [weighted_auc(truth, risk, weights) for weights in (everybody, draws)]
    return Covariate(name, len(given), estimate(float(auc[0][0]), auc[1], "all are impaired, or none is"),
                     estimate(float(fraction[0][0]), fraction[1], "all are alike"))  # fmt: skip


def confounder_warnings(covariates: list[Covariate], network_auc: float) -> list[str]:
    """Say, a sentence each, which covariates explain much of the network's answer or come near to it by themselves."""
    failed_checks = []
    for one in covariates:
        if one.explained.low >= SOME and one.explained.value >= MUCH:
            value, low, high = one.explained.value, one.explained.low, one.explained.high
            fraction = f"{value:.0%} (95 % {low:.0%} to {high:.0%})"
            failed_checks.append(f"{one.name} explains {fraction} of the variance of the network's score.")
        if one.alone.low > 0.5 and one.alone.value >= network_auc - NEAR:
            failed_checks.append(
                f"{one.name} alone, without any picture, has an area of {one.alone.value:.2f}; the network has "
                f"{network_auc:.2f}."
            )
    return failed_checks


def _squared_correlation(x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray) -> NDArray[np.float64]:
    """Return r² for each row of weights; NaN where either does not vary."""
    total = weights.sum(axis=1)
    mean_x, mean_y = weights @ x / total, weights @ y / total
    cover = weights @ (x * y) / total - mean_x * mean_y
    spread = (weights @ x**2 / total - mean_x**2) * (weights @ y**2 / total - mean_y**2)
    return np.where(spread > 1e-12, cover**2 / np.where(spread > 1e-12, spread, 1), np.nan)


def _between(kinds: NDArray[np.int64], y: NDArray[np.float64], weights: NDArray) -> NDArray[np.float64]:
    """Return η², the share of variance between kinds, for each row of weights; NaN where y does not vary."""
    is_kind = (kinds[:, None] == np.arange(kinds.max() + 1)).astype(np.float64)
    total = weights.sum(axis=1)
    mean = weights @ y / total
    variance = weights @ y**2 / total - mean**2
    count, sums = weights @ is_kind, weights @ (is_kind * y[:, None])
    means = np.where(count > 0, sums / np.maximum(count, 1), 0)
    between = (count * (means - mean[:, None]) ** 2).sum(axis=1) / total
    return np.where(variance > 1e-12, between / np.where(variance > 1e-12, variance, 1), np.nan)


def _plain(found: Estimate) -> dict[str, Any]:
    return {**found.as_dict(), "reason": found.reason if np.isnan(found.value) else None}
