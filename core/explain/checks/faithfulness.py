"""Does a heatmap reflect what the network does? Checks that change the scan where the map points and read the score."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from core.explain.baselines import blurred
from core.explain.checks.similarity import pearson, top_overlap
from core.explain.explanation import Explanation, ExplanationBatch, Floats
from core.explain.masking import masked_scores
from core.explain.placing import drawn_at
from core.networks.inference.engine import Centres, stretched

STEPS = 20
RANDOM_ORDERS = 5
BLUR_FRACTION = 0.1
SQUARES = 64


@dataclass(frozen=True, eq=False)
class Curve:
    """The score while a scan is deleted or inserted step by step.

    Attributes:
        fractions: float64, fraction of the picture changed, from 0 to 1.
        scores: float64, probability of the class at each fraction.
        random: float64, orders × steps, the same for random orders of pixels.
    """

    fractions: NDArray[np.float64]
    scores: NDArray[np.float64]
    random: NDArray[np.float64]

    @property
    def auc(self) -> float:
        """Area under the curve."""
        return float(trapezoid(self.scores, self.fractions))

    @property
    def random_aucs(self) -> NDArray[np.float64]:
        """Areas under the curves of the random orders."""
        return np.asarray(trapezoid(self.random, self.fractions, axis=1))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "auc": self.auc,
            "random_auc": float(self.random_aucs.mean()),
            "random_aucs": self.random_aucs.tolist(),
            "fractions": self.fractions.tolist(),
            "scores": self.scores.tolist(),
        }


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """How far a heatmap agrees with what the network does.

    Attributes:
        deletion: The strongest pixels are made black first: a faithful map makes the score drop fast (a small AUC).
        insertion: They are brought into focus first, on a blurred scan: the score rises fast (a large AUC).
        infidelity: Mean squared difference between the effect of blacking out squares of the scan and the effect that
            the map predicts, in squared logits, with the map scaled to fit best.
        infidelity_of_zero_map: The same for a map of zeros; a lower infidelity means the map is informative.
    """

    deletion: Curve
    insertion: Curve
    infidelity: float
    infidelity_of_zero_map: float

    @property
    def failed_checks(self) -> tuple[str, ...]:
        """One sentence for each check that failed."""
        found = []
        if self.deletion.auc >= self.deletion.random_aucs.mean():
            found.append("deleting the highlighted regions lowers the score no faster than deleting random ones.")
        if self.insertion.auc <= self.insertion.random_aucs.mean():
            found.append("restoring the highlighted regions raises the score no faster than restoring random ones.")
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "deletion": self.deletion.as_dict(),
            "insertion": self.insertion.as_dict(),
            "infidelity": self.infidelity,
            "infidelity_of_zero_map": self.infidelity_of_zero_map,
            "failed_checks": list(self.failed_checks),
        }


def faithfulness(
    batch: ExplanationBatch, explanation: Explanation, *, steps: int = STEPS, seed: int = 0
) -> Faithfulness:
    """Check one explanation against its network.

    Deletion and insertion: Petsiuk et al., RISE, BMVC 2018, section 4.2. Infidelity with square removal: Yeh et al.,
    NeurIPS 2019, definition 1 and section 3.1, with the best scale as in their appendix.

    Args:
        batch: The one scan and class explained, as `core.explain.attribution.ask` returns it.
        explanation: Its explanation.
        steps: Number of points on the curves after the first.
        seed: Seed for the random orders and squares.
    """
    rng = np.random.default_rng(seed)
    shape = batch.inputs.shape[1:-1]
    places = stretched(shape, shape)
    heatmap = drawn_at(explanation.heatmap[None], explanation.centres, places)[0]
    soft = blurred(batch.inputs[0], BLUR_FRACTION * min(batch.inputs.shape[-3:-1]))
    orders = [np.argsort(-heatmap, axis=None, kind="stable")]
    orders += [_random_order(explanation.centres, places, rng) for _ in range(RANDOM_ORDERS)]
    fractions = np.linspace(0, 1, steps + 1)
    deleted = np.stack([_curve(batch, order, fractions, None, delete=True) for order in orders])
    inserted = np.stack([_curve(batch, order, fractions, soft, delete=False) for order in orders])
    expected, actual = _square_effects(batch, heatmap, rng)
    scale = float(expected @ actual / (expected @ expected)) if expected @ expected > 0 else 0.0
    return Faithfulness(
        deletion=Curve(fractions, deleted[0], deleted[1:]),
        insertion=Curve(fractions, inserted[0], inserted[1:]),
        infidelity=float(np.mean((scale * expected - actual) ** 2)),
        infidelity_of_zero_map=float(np.mean(actual**2)),
    )


def agreement(explanations: list[Explanation]) -> dict[str, dict[str, dict[str, float]]]:
    """Compare the maps of several methods for one scan and class, at the size of the finest.

    Returns:
        Method to method to "pearson" and "top" (fraction of the strongest tenth in common).
    """
    finest = max(explanations, key=lambda one: one.heatmap.size).centres
    maps = {one.method: drawn_at(one.positive[None], one.centres, finest)[0] for one in explanations}
    return {
        first: {
            second: {"pearson": pearson(a, b), "top": top_overlap(a, b)}
            for second, b in maps.items()
            if second != first
        }
        for first, a in maps.items()
    }


def _curve(
    batch: ExplanationBatch,
    order: NDArray[np.int64],
    fractions: NDArray[np.float64],
    instead: Floats | None,
    *,
    delete: bool,
) -> NDArray[np.float64]:
    shape = batch.inputs.shape[1:-1]
    rank_of = np.empty(order.size, np.int64)
    rank_of[order] = np.arange(order.size)

    def masks(first: int, last: int) -> Floats:
        changed = np.stack([rank_of < round(fraction * order.size) for fraction in fractions[first:last]])
        return np.asarray((changed != delete).reshape(-1, *shape), np.float32)

    return masked_scores(batch, 0, len(fractions), masks, instead=instead, as_probability=True)


def _random_order(centres: Centres, places: Centres, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the order of a random map as coarse as the heatmap, so that only the positions are compared."""
    cells = rng.random((1, *map(len, centres))).astype(np.float32)
    return np.argsort(-drawn_at(cells, centres, places)[0], axis=None, kind="stable")


def _square_effects(
    batch: ExplanationBatch, heatmap: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the effect of blacking out random squares: as the map predicts, and as the drop of the logit."""
    shape = batch.inputs.shape[1:-1]
    seen = np.ones((SQUARES, *shape), np.float32)
    for mask in seen:
        sides = [int(rng.integers(max(1, side // 12), max(2, side // 4))) for side in shape]
        corner = [int(rng.integers(0, whole - side + 1)) for side, whole in zip(sides, shape, strict=True)]
        mask[tuple(slice(at, at + side) for at, side in zip(corner, sides, strict=True))] = 0
    scores = masked_scores(batch, 0, SQUARES, lambda first, last: seen[first:last])
    axes = tuple(range(1, seen.ndim))
    expected = ((1 - seen) * heatmap).sum(axis=axes, dtype=np.float64)
    return expected, float(batch.logits[0, batch.classes[0]]) - scores
