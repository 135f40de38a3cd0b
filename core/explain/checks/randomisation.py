"""Sanity checks: does the heatmap change when what the network has learned is taken away?

Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, sections 3.1 (model parameters, cascading from the
top) and 3.2 (data, labels permuted). Maps are compared by the structural similarity of their ranks inside the head,
cell by cell at the method's own resolution: the black rim, the scale and a few extreme values would make unlike maps
look alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.explain.attribution import explain_arrays
from core.explain.cams import resized
from core.explain.checks.sanity_report import SanityCheck, SanityReport, weights_digest
from core.explain.checks.similarity import ranks, ssim_within
from core.explain.explanation import Floats
from core.explain.registry import explainers
from core.networks.inference.predictor import Predictor, randomised
from core.scans import BACKGROUND, Scan

RESAMPLES = 1000
DRAWS = 3
# Methods of many forward passes are checked with fewer of them: enough to see whether the map keeps its structure.
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
    """Similarity to the original map as more and more of the network is random, from the top down.

    Attributes:
        method: Name of the method.
        layers: The last layer made random at each step.
        similarities: float64, steps × scans.
    """

    method: str
    layers: tuple[str, ...]
    similarities: NDArray[np.float64]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        means = self.similarities.mean(axis=1)
        return {"method": self.method, "layers": list(self.layers), "similarity": means.tolist()}


def structure_alike(one: Floats, other: Floats, grey: Floats) -> float:
    """Return the structural similarity of two maps' ranks inside the head; 0 where one of them is constant.

    Args:
        one: h × w (or d × h × w), in cells.
        other: The same shape.
        grey: The fitted scan, in pixels.
    """
    inside = resized((grey > BACKGROUND).astype(np.float32)[None], one.shape)[0] > 0.5
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
    """Make a network random layer by layer from the logits down, and compare each step's maps with the original ones.

    Args:
        predictor: The network; it is left as it is.
        scans: What is explained, each for the class the whole network predicts.
        method: Name of the method.
        steps: How many stages, evenly spread over the layers with weights; the last has all of them random.
        seed: Of the random weights.
        heights_mm: Of the scans, where known.
        settings: Of the method.
    """
    intensities = [scan.grey() for scan in scans]
    original = explain_arrays(
        predictor, intensities, [None] * len(intensities), method, heights_mm=heights_mm, **settings
    )
    classes = [one.class_name for one in original]
    layers, rows = [], []
    for fraction in np.linspace(0, 1, steps + 1)[1:]:
        changed, last = randomised(predictor, fraction=float(fraction), seed=seed)
        maps = explain_arrays(changed, intensities, classes, method, heights_mm=heights_mm, **settings)
        inputs = predictor.inputs(intensities)[..., 0]
        rows.append([structure_alike(a.heatmap, b.heatmap, grey)
                     for a, b, grey in zip(original, maps, inputs, strict=True)])  # fmt: skip
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
    """Compare each method's maps with those of the same network with all weights drawn anew.

    Args:
        predictor: A loaded bundle.
        scans: What is explained, each for the class the trained network predicts.
        methods: Names; none for all that this network allows.
        draws: How often the weights are drawn.
        what: The scans in words, for the certificate.
        heights_mm: Of the scans, where known.
        say: Told a sentence a method.
    """
    intensities = [scan.grey() for scan in scans]
    inputs, random = (
        predictor.inputs(intensities)[..., 0],
        [randomised(predictor, seed=seed)[0] for seed in range(draws)],
    )
    found = {}
    for record in explainers():
        if methods and record.name not in methods:
            continue
        if record.name == "regions" and (predictor.network.recipe.slices is None or heights_mm is None):
            continue
        settings = CHEAPER.get(record.name, {})
        original = explain_arrays(
            predictor, intensities, [None] * len(intensities), record.name, heights_mm=heights_mm, **settings
        )
        classes = [one.class_name for one in original]
        values = []
        for other in random:
            maps = explain_arrays(other, intensities, classes, record.name, heights_mm=heights_mm, **settings)
            values += [structure_alike(a.heatmap, b.heatmap, grey)
                       for a, b, grey in zip(original, maps, inputs, strict=True)]  # fmt: skip
        found[record.name] = checked(values)
        said = "depends on the weights" if found[record.name].passed else "DOES NOT depend on the weights"
        say(f"{record.title}: structural similarity {found[record.name].similarity:.2f}, {said}")
    return SanityReport(weights_digest(predictor.bundle.folder), found, what, f"{datetime.now(UTC):%Y-%m-%d}")


def compare_networks(
    one: Predictor, other: Predictor, scans: Sequence[Scan], method: str, **settings: Any
) -> SanityCheck:
    """Compare the maps of two networks, such as one trained on labels and one on permuted labels (Adebayo 2018, 3.2).

    Args:
        one: The network whose predicted classes are explained.
        other: Of the same recipe.
        scans: What is explained.
        method: Name of the method.
        settings: Of the method.
    """
    intensities = [scan.grey() for scan in scans]
    first = explain_arrays(one, intensities, [None] * len(intensities), method, **settings)
    second = explain_arrays(other, intensities, [a.class_name for a in first], method, **settings)
    inputs = one.inputs(intensities)[..., 0]
    return checked([structure_alike(a.heatmap, b.heatmap, grey)
                      for a, b, grey in zip(first, second, inputs, strict=True)])  # fmt: skip


def checked(values: Sequence[float]) -> SanityCheck:
    """Return the mean of similarities with its interval."""
    known = np.array(values)
    means = np.random.default_rng(0).choice(known, (RESAMPLES, len(known))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return SanityCheck(float(known.mean()), (float(low), float(high)), len(known))
