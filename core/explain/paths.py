"""Gradients integrated along a path from a baseline to the scan, until they account for the difference in score.

Sundararajan et al., Axiomatic Attribution for Deep Networks, ICML 2017, equation 1 and proposition 1 (completeness):
the attributions sum to f(x) − f(x′), and any deviation from it is the error of the integration.

Completeness alone does not certify a map: errors of opposite sign cancel in a sum, and a map may still be far from
what it converges to when its sum is right. The adaptive rule therefore looks at the map first: it halves every interval
until halving changes the map by little, which also says how much may be left to change. Then it looks at the sum:
between two neighbouring points the trapezoid's sum should equal the difference of their scores, which the same pass
provides at no extra cost, and the intervals with the largest errors are halved until the total error is small.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import StageLensError
from core.explain.explanation import ExplanationBatch, Floats

Path = Callable[[NDArray[np.float64]], Floats]
FIRST_POINTS = 16
HALVED_AT_ONCE = 8
AT_ONCE, VOLUMES_AT_ONCE = 16, 1
KEPT_BYTES = 1 << 30  # limit for the gradients that the adaptive rule keeps
NO_DIFFERENCE = 1e-6
SETTLED = 0.05  # change of a map by doubling its points that counts as none


@dataclass(frozen=True, eq=False)
class Integral:
    """A path integral.

    Attributes:
        attribution: float32, the input's shape.
        difference: f(x) − f(x′), in logits.
        error: |Σ attribution − difference|, in logits.
        points: Number of gradients computed.
        change: ‖m − m′‖ / ‖m‖ (L2) of the map m and the map m′ before all intervals were last halved: about as much may
            be left to change. NaN for the fixed rules, which compute one map only.
    """

    attribution: Floats
    difference: float
    error: float
    points: int
    change: float = float("nan")

    @property
    def fraction(self) -> float:
        """The error as a fraction of the difference; NaN if there is no difference."""
        return self.error / abs(self.difference) if abs(self.difference) > NO_DIFFERENCE else float("nan")


def straight(baseline: Floats, scan: Floats) -> Path:
    """Return the straight path from a baseline to a scan."""
    step = (scan - baseline).astype(np.float32)

    def at(alphas: NDArray[np.float64]) -> Floats:
        return np.asarray(baseline + alphas.reshape(-1, *(1,) * scan.ndim).astype(np.float32) * step, np.float32)

    return at


def integrate_adaptively(
    batch: ExplanationBatch, index: int, path: Path, *, tolerance: float, settled: float, most: int
) -> Integral:
    """Integrate with the trapezoid rule, halving all intervals until the map settles, then those with large errors.

    Args:
        batch: The scans and classes explained.
        index: Index of the scan in the batch.
        path: From positions in [0, 1] to images; 0 is the baseline, 1 the scan.
        tolerance: Completeness error at which to stop, as a fraction of the score difference.
        settled: Change of the map (L2, relative) by halving all intervals at which it counts as settled.
        most: Maximum number of points; fewer where their gradients would not fit in memory.

    Raises:
        StageLensError: Not even the first gradients of so large a volume do.
    """
    size = batch.inputs[index].nbytes
    most = min(most, KEPT_BYTES // size)
    if most < 2:
        raise StageLensError(
            f"points of {size >> 20} MiB each are too large to refine; use a fixed rule such as gauss-legendre, which "
            "has no limit."
        )
    alphas = np.linspace(0, 1, min(FIRST_POINTS, most))
    scores, gradients = _gradients(batch, index, path(alphas))
    halved: Floats | None = None  # the map before all intervals were halved
    change = float("inf")
    while True:
        steps = np.diff(path(alphas), axis=0)
        parts = (gradients[1:] + gradients[:-1]) / 2 * steps
        attribution = parts.sum(axis=0, dtype=np.float64).astype(np.float32)
        if halved is not None:
            change, halved = _change(halved, attribution), None
        errors = parts.sum(axis=tuple(range(1, parts.ndim)), dtype=np.float64) - np.diff(scores)
        difference = float(scores[-1] - scores[0])
        error = abs(float(errors.sum()))
        room = most - len(alphas)
        if change > settled and room >= len(errors):
            worst, halved = np.arange(len(errors)), attribution
        elif error > tolerance * abs(difference) and room > 0:
            worst = np.sort(np.argsort(np.abs(errors))[::-1][: min(HALVED_AT_ONCE, room)])
        else:
            return Integral(attribution, difference, error, len(alphas), change if np.isfinite(change) else np.nan)
        added = (alphas[worst] + alphas[worst + 1]) / 2
        more_scores, more_gradients = _gradients(batch, index, path(added))
        alphas = np.insert(alphas, worst + 1, added)
        scores = np.insert(scores, worst + 1, more_scores)
        gradients = np.insert(gradients, worst + 1, more_gradients, axis=0)


def _change(before: Floats, after: Floats) -> float:
    size = float(np.linalg.norm(after))
    return float(np.linalg.norm(after - before)) / size if size > 0 else 0.0


def integrate_straight(batch: ExplanationBatch, index: int, baseline: Floats, *, rule: str, points: int) -> Integral:
    """Integrate along the straight path with a fixed rule and any number of points, streamed in batches.

    Args:
        batch: The scans and classes explained.
        index: Index of the scan in the batch.
        baseline: An image of the input's shape.
        rule: One of `RULES`.
        points: Number of points.
    """
    scan = batch.inputs[index]
    alphas, weights = RULES[rule](points)
    path, total = straight(baseline, scan), np.zeros(scan.shape, np.float64)
    at_once = AT_ONCE if scan.ndim == 3 else VOLUMES_AT_ONCE
    for start in range(0, points, at_once):
        _, gradients = _gradients(batch, index, path(alphas[start : start + at_once]))
        total += np.einsum("n...,n->...", gradients, weights[start : start + at_once])
    attribution = ((scan - baseline) * total).astype(np.float32)
    ends = batch.predictor.logits_of(np.stack([baseline, scan]))[:, batch.classes[index]].astype(np.float64)
    difference = float(ends[1] - ends[0])
    error = abs(float(attribution.sum(dtype=np.float64)) - difference)
    return Integral(attribution, difference, error, points)


def checks_of(integrals: list[Integral], *, tolerance: float, settled: float) -> dict[str, Any]:
    """Return the checks of one scan's integrals (several if baselines were averaged); the worst counts.

    `completeness_error` and `complete` speak of the sum of the map, `map_change` and `map_settled` of the map itself;
    None where they are not defined.
    """
    worst, change = (_largest([getattr(one, name) for one in integrals]) for name in ("fraction", "change"))
    return {
        "completeness_error": worst,
        "map_change": change,
        "map_settled": None if change is None else bool(change <= settled),
        "score_difference": float(np.mean([one.difference for one in integrals])),
        "points": sum(one.points for one in integrals),
        "complete": None if worst is None else bool(worst <= tolerance),
    }


def _largest(values: list[float]) -> float | None:
    return None if np.isnan(values).any() else max(values)


def _gradients(batch: ExplanationBatch, index: int, images: Floats) -> tuple[NDArray[np.float64], Floats]:
    wanted = np.full(len(images), batch.classes[index])
    logits, gradients = batch.predictor.input_gradient(images, wanted)
    return logits[:, batch.classes[index]].astype(np.float64), gradients


def _gauss_legendre(points: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    alphas, weights = np.polynomial.legendre.leggauss(points)
    return (alphas + 1) / 2, weights / 2


def _trapezoid(points: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    weights = np.full(points, 1 / max(1, points - 1))
    weights[[0, -1]] /= 2 if points > 1 else 1
    return np.linspace(0, 1, points), weights


def _riemann(points: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (np.arange(points) + 1) / points, np.full(points, 1 / points)


def _midpoint(points: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (np.arange(points) + 0.5) / points, np.full(points, 1 / points)


RULES = {"gauss-legendre": _gauss_legendre, "trapezoid": _trapezoid, "riemann": _riemann, "midpoint": _midpoint}
