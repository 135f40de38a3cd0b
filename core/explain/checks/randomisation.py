"""Sanity checks: does the heatmap change when the network's learned weights are randomised?

Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, sections 3.1 (model parameters, cascading from the
top) and 3.2 (data, permuted labels). Maps are compared by the structural similarity of their ranks inside the head,
cell by cell at the method's own resolution: otherwise the black rim, the scale and a few extreme values would make
different maps look similar.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.explain.attribution import explain_arrays
from core.explain.checks.sanity_report import SanityCheck, SanityReport, weights_digest
from core.explain.checks.similarity import ranks, ssim_within
from core.explain.explanation import Explanation, Floats
from core.explain.placing import drawn_at
from core.explain.registry import explainers
from core.networks.inference.engine import Centres, stretched
from core.networks.inference.predictor import Predictor
from core.scans import BACKGROUND, Scan

RESAMPLES = 1000
DRAWS = 3
# Methods that need many passes are checked with fewer: enough to see whether the map keeps its structure.
CHEAPER: dict[str, dict[str, Any]] = {
    "integrated-gradients": {"points": 64},
    "blur-ig": {"points": 32},
    "smoothgrad": {"copies": 16},
    "vargrad": {"copies": 16},
    "rise": {"masks": 200},
    "score-cam": {"channels": 64},
}


@dataclass(frozen=True, eq=False)
class CascadingRandomisation:
    """Similarity to the original map as more and more of the network is randomised, from the top down.

    Attributes:
        method: Name of the method.
        layers: The last layer randomised at each step.
        similarities: float64, steps × scans.
    """

    method: str
    layers: tuple[str, ...]
    similarities: NDArray[np.float64]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        means = self.similarities.mean(axis=1)
        return {"method": self.method, "layers": list(self.layers), "similarity": means.tolist()}


def structural_similarity(one: Floats, other: Floats, image: Floats, centres: Centres | None = None) -> float:
    """Return the structural similarity of two maps' ranks inside the head; 0 if one of them is constant.

    Args:
        one: h × w (or d × h × w), in cells.
        other: The same shape.
        image: The network's input, in pixels.
        centres: Where the cells lie in it; evenly spread if left out.
    """
    at = centres or stretched(one.shape, image.shape)
    inside = drawn_at((image > BACKGROUND).astype(np.float32)[None], stretched(image.shape, image.shape), at)[0] > 0.5
    if inside.sum() < 2 or np.ptp(one[inside]) == 0 or np.ptp(other[inside]) == 0:
        return 0.0
    return ssim_within(ranks(one, inside), ranks(other, inside), inside, data_range=1.0)


def cascading_randomisation(
    predictor: Predictor,
    scans: Sequence[Scan],
    method: str,
    *,
    steps: int = 6,
    seed: int = 0,
    heights_mm: Sequence[float | None] | None = None,
    **settings: Any,
) -> CascadingRandomisation:
    """Randomise a network layer by layer from the logits down, and compare each step's maps with the original ones.

    Args:
        predictor: The network; it is not changed.
        scans: The scans to explain, each for the class the trained network predicts.
        method: Name of the method.
        steps: Number of steps, evenly spread over the layers with weights; at the last, all layers are random.
        seed: Seed for the random weights.
        heights_mm: Heights of the scans, if known.
        settings: Settings of the method.
    """
    from core.networks.inference.gradients import randomised

    images = [scan.grey() for scan in scans]
    inputs = predictor.inputs(images)[..., 0]
    original = explain_arrays(predictor, images, [None] * len(images), method, heights_mm=heights_mm, **settings)
    classes = [one.class_name for one in original]
    layers, rows = [], []
    for fraction in np.linspace(0, 1, steps + 1)[1:]:
        changed, last = randomised(predictor, fraction=float(fraction), seed=seed)
        maps = explain_arrays(changed, images, classes, method, heights_mm=heights_mm, **settings)
        rows.append(_similarities(original, maps, inputs))
        layers.append(last)
    return CascadingRandomisation(method, tuple(layers), np.array(rows))


def sanity_check(
    predictor: Predictor,
    scans: Sequence[Scan],
    *,
    methods: Sequence[str] = (),
    draws: int = DRAWS,
    what: str = "scans",
    heights_mm: Sequence[float | None] | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> SanityReport:
    """Compare each method's maps with those of the same network with all weights randomised.

    Args:
        predictor: A loaded bundle.
        scans: The scans to explain, each for the class the trained network predicts.
        methods: Names of methods; empty for all that this network allows.
        draws: How often the weights are randomised.
        what: The scans in words, for the report.
        heights_mm: Heights of the scans, if known.
        say: Called with one sentence per method.
    """
    from core.networks.inference.gradients import randomised

    images = [scan.grey() for scan in scans]
    inputs = predictor.inputs(images)[..., 0]
    random = [randomised(predictor, seed=seed)[0] for seed in range(draws)]
    found = {}
    for record in explainers():
        if methods and record.name not in methods:
            continue
        if record.name == "regions" and (predictor.recipe.slices is None or heights_mm is None):
            continue
        settings = CHEAPER.get(record.name, {})
        original = explain_arrays(
            predictor, images, [None] * len(images), record.name, heights_mm=heights_mm, **settings
        )
        classes = [one.class_name for one in original]
        values = []
        for other in random:
            maps = explain_arrays(other, images, classes, record.name, heights_mm=heights_mm, **settings)
            values += _similarities(original, maps, inputs)
        found[record.name] = summarised(values)
        outcome = "depends on the weights" if found[record.name].passed else "DOES NOT depend on the weights"
        say(f"{record.title}: structural similarity {found[record.name].similarity:.2f}, {outcome}")
    return SanityReport(weights_digest(predictor.bundle.folder), found, what, f"{datetime.now(UTC):%Y-%m-%d}")


def compare_networks(
    one: Predictor, other: Predictor, scans: Sequence[Scan], method: str, **settings: Any
) -> SanityCheck:
    """Compare the maps of two networks, such as one trained on labels and one on permuted labels (Adebayo 2018, 3.2).

    Args:
        one: The network whose predicted classes are explained.
        other: A network of the same recipe.
        scans: The scans to explain.
        method: Name of the method.
        settings: Settings of the method.
    """
    images = [scan.grey() for scan in scans]
    first = explain_arrays(one, images, [None] * len(images), method, **settings)
    second = explain_arrays(other, images, [a.class_name for a in first], method, **settings)
    return summarised(_similarities(first, second, one.inputs(images)[..., 0]))


def _similarities(first: Sequence[Explanation], second: Sequence[Explanation], inputs: Floats) -> list[float]:
    pairs = zip(first, second, inputs, strict=True)
    return [structural_similarity(one.heatmap, other.heatmap, image, one.centres) for one, other, image in pairs]


def summarised(values: Sequence[float]) -> SanityCheck:
    """Return the mean of similarities with its interval."""
    known = np.array(values)
    means = np.random.default_rng(0).choice(known, (RESAMPLES, len(known))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return SanityCheck(float(known.mean()), (float(low), float(high)), len(known))
