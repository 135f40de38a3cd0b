"""How much a heatmap changes when the scan changes in irrelevant ways.

Every similarity comes with its null, the similarity of meaningless maps of the same size: enlarged for drawing, they
are similar, too. Max-sensitivity: Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019,
definition 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import StageLensError
from core.explain.attribution import ask
from core.explain.checks.perturbations import DROPOUT, NAMES, PERTURBATIONS, Matrix, Perturbation, moved, rescaled
from core.explain.checks.similarity import null_of, similarity
from core.explain.explanation import ExplanationBatch, Floats
from core.explain.registry import explainer
from core.explain.targets import class_indices
from core.networks.inference.predictor import Predictor
from core.plain import number_or_none
from core.scans import Scan

MEASURES = ("ssim", "pearson", "spearman", "top")
RESAMPLES = 1000
NO_MAP, UNSTABLE = "No map to test", "Not stable"
DROPPING = ("grad-cam", "grad-cam++", "hires-cam", "layer-cam")


@dataclass(frozen=True)
class Spread:
    """A mean with its interval and its null.

    Attributes:
        mean: Mean over the copies that have a value.
        interval: 95 % interval of the mean, bootstrapped over the copies.
        null: Mean and central 95 % of meaningless maps (`similarity.null_of`); None if not applicable.
        n: Number of copies with a value.
    """

    mean: float
    interval: tuple[float, float]
    null: tuple[float, float, float] | None
    n: int


@dataclass(frozen=True, eq=False)
class Kind:
    """The effect of one kind of change.

    Attributes:
        title: The change in words.
        copies: Number of changed copies.
        measures: "ssim", "pearson", "spearman", "top", and "moved" (the shift of the centre of mass, in mm if the scan
            has a spacing, else in pixels of the scan).
        class_held: Fraction of the copies for which the network predicted the same class.
        max_sensitivity: Largest ‖Φ(x + δ) − Φ(x)‖ / ‖Φ(x)‖ over the copies.
    """

    title: str
    copies: int
    measures: dict[str, Spread]
    class_held: float
    max_sensitivity: float


@dataclass(frozen=True, eq=False)
class Stability:
    """How stable a heatmap is.

    Attributes:
        method: Name of the method.
        class_name: The class explained.
        reference: float32, the heatmap of the unchanged scan.
        kinds: Effect of each change, by its name.
        variability: float32, the standard deviation of each cell over all copies, in the heatmap's units.
        examples: The heatmap of the first copy of each kind, moved back.
        unit: Unit of "moved": "mm" or "pixels".
        verdict: The result in a sentence; a constant or empty heatmap is never called stable.
    """

    method: str
    class_name: str
    reference: Floats
    kinds: dict[str, Kind]
    variability: Floats
    examples: dict[str, Floats] = field(repr=False)
    unit: str
    verdict: str

    @property
    def holds(self) -> bool:
        """Whether the map stays more similar than meaningless ones; the prediction may change in spite of this."""
        return not self.verdict.startswith((NO_MAP, UNSTABLE))

    @property
    def class_held(self) -> float:
        """The fraction of the copies with the class of the unchanged scan, under the change that moved most of them."""
        return min(kind.class_held for kind in self.kinds.values())

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without maps; NaN becomes None."""
        kinds = {}
        for name, kind in self.kinds.items():
            measures = {
                measure: {
                    "mean": number_or_none(spread.mean),
                    "interval": [number_or_none(value) for value in spread.interval],
                    "null": None if spread.null is None else list(spread.null),
                    "n": spread.n,
                }
                for measure, spread in kind.measures.items()
            }
            kinds[name] = {
                "change": kind.title,
                "copies": kind.copies,
                "class_held": kind.class_held,
                "max_sensitivity": number_or_none(kind.max_sensitivity),
                **measures,
            }
        return {
            "method": self.method,
            "class": self.class_name,
            "verdict": self.verdict,
            "moved_in": self.unit,
            "kinds": kinds,
        }


def stability(
    predictor: Predictor,
    scan: Scan,
    class_name: str | None = None,
    method: str = "grad-cam",
    *,
    kinds: Sequence[str] = (),
    copies: int = 10,
    seed: int = 0,
    strengths: dict[str, float] | None = None,
    settings: dict[str, Any] | None = None,
    height_mm: float | None = None,
    original: ExplanationBatch | None = None,
) -> Stability:
    """Explain changed copies of a scan and compare their heatmaps with the scan's own.

    Args:
        predictor: A loaded bundle.
        scan: An image.
        class_name: The class; None for the one predicted for the unchanged scan. All copies are explained for it.
        method: Name of the method.
        kinds: Names of changes; empty for all that this network and method allow.
        copies: Changed copies of each kind.
        seed: Seed for the changes.
        strengths: Strength by kind, to override the default.
        settings: Settings of the method.
        height_mm: Height of the slice, if known.
        original: The scan's own pass, as `ask` returns it, if already made; class and height are then taken from it.

    Raises:
        StageLensError: A name is not known, or dropout is requested for a network without it.
    """
    record = explainer(method)
    if original is None:
        wanted = class_indices(predictor.recipe, [class_name])
        original = ask(predictor, predictor.inputs([scan.grey()]), wanted, heights_mm=[height_mm])
    chosen = record.checked_settings(settings or {})
    reference = record.compute(original, **chosen).maps[0]
    spacing, unit = _pixel_size(scan, original.inputs.shape[1:-1])
    found, examples, all_maps = {}, {}, []
    for number, change in enumerate(_changes(kinds, predictor, method)):
        strength = (strengths or {}).get(change.name, _default_strength(change, predictor))
        rng = np.random.default_rng([seed, number])
        batch, motions = _changed_batch(original, replace(change, strength=strength), copies, rng)
        maps = _moved_back(record.compute(batch, **chosen).maps, motions, original.inputs.shape[1:-1])
        found[change.name] = Kind(
            title=change.title.format(strength=strength, percent=100 * strength),
            copies=len(maps),
            measures=_measures(reference, maps, drawn=original.inputs.shape[1:-1], spacing=spacing),
            class_held=float((batch.logits.argmax(axis=1) == original.logits[0].argmax()).mean()),
            max_sensitivity=_max_sensitivity(reference, maps),
        )
        examples[change.name] = maps[0]
        all_maps.append(maps)
    variability = np.concatenate(all_maps).std(axis=0) if all_maps else np.zeros_like(reference)
    return Stability(
        method=method,
        class_name=predictor.recipe.classes[original.classes[0]],
        reference=reference,
        kinds=found,
        variability=variability.astype(np.float32),
        examples=examples,
        unit=unit,
        verdict=_verdict(reference, found),
    )


def _changes(kinds: Sequence[str], predictor: Predictor, method: str) -> list[Perturbation]:
    drops = predictor.recipe.head.dropout > 0 and predictor.linear_head is not None and method in DROPPING
    unknown = [name for name in kinds if name not in NAMES]
    if unknown:
        raise StageLensError(f"there is no change {unknown[0]!r}; known are {', '.join(NAMES)}.")
    if DROPOUT.name in kinds and not drops:
        raise StageLensError(
            f"dropout can be tried with {', '.join(DROPPING)}, on networks with dropout before a single dense layer."
        )
    every = [*PERTURBATIONS, *([DROPOUT] if drops else [])]
    return [change for change in every if not kinds or change.name in kinds]


def _default_strength(change: Perturbation, predictor: Predictor) -> float:
    return predictor.recipe.head.dropout if change.name == DROPOUT.name else change.strength


def _changed_batch(
    original: ExplanationBatch, change: Perturbation, copies: int, rng: np.random.Generator
) -> tuple[ExplanationBatch, list[Matrix | None]]:
    """Return changed copies of a scan, to be explained for its class, and how each of them was moved."""
    motions: list[Matrix | None] = [None] * copies
    if change.name == DROPOUT.name:
        batch = _under_dropout(original, copies, rng)
    else:
        scan, changed = original.inputs[0, ..., 0], []
        for index in range(copies):
            if change.motion is not None:
                motion = change.motion(change.strength, rng, scan.shape)
                motions[index] = motion
                changed.append(moved(scan, motion))
            elif change.change is not None:
                changed.append(np.clip(change.change(scan, change.strength, rng), 0, 255))
        batch = ask(original.predictor, np.stack(changed)[..., None].astype(np.float32), np.full(copies, -1))
    classes, heights = np.full(copies, original.classes[0]), [original.heights_mm[0]] * copies
    return replace(batch, classes=classes, heights_mm=heights), motions


def _under_dropout(original: ExplanationBatch, copies: int, rng: np.random.Generator) -> ExplanationBatch:
    """Return copies of a scan under random dropout in the network's head."""
    kernel = original.predictor.dropped_kernels(copies, int(rng.integers(2**31)))
    axes = tuple(range(1, original.feature_maps.ndim - 1))
    feature_maps = np.repeat(original.feature_maps, copies, axis=0)
    head = original.predictor.linear_head
    assert head is not None  # noqa: S101 - dropout is only tried with such heads
    logits = np.einsum("nk,nkc->nc", feature_maps.mean(axis=axes), kernel) + head[1]
    inputs = np.repeat(original.inputs, copies, axis=0)
    return replace(original, inputs=inputs, feature_maps=feature_maps, logits=logits, kernel=kernel)


def _moved_back(maps: Floats, motions: Sequence[Matrix | None], shape: tuple[int, ...]) -> Floats:
    """Undo the motions of images of a shape on their heatmaps."""
    back = []
    for one, motion in zip(maps, motions, strict=True):
        if motion is None:
            back.append(one)
        else:
            inverse = np.asarray(np.linalg.inv(motion), np.float64)
            back.append(moved(one, rescaled(inverse, shape, one.shape)))
    return np.stack(back)


def _measures(
    reference: Floats, maps: Floats, *, drawn: tuple[int, ...], spacing: tuple[float, ...]
) -> dict[str, Spread]:
    pairs = [similarity(reference, one, drawn) for one in maps]
    nulls = null_of(reference, drawn)
    measures = {name: _spread([getattr(pair, name) for pair in pairs], nulls[name]) for name in MEASURES}
    centre = _centre(reference, drawn)
    shifts = [float(np.linalg.norm((_centre(one, drawn) - centre) * spacing)) for one in maps]
    return measures | {"moved": _spread(shifts, None)}


def _max_sensitivity(reference: Floats, maps: Floats) -> float:
    size = float(np.linalg.norm(reference))
    apart = np.linalg.norm((maps - reference).reshape(len(maps), -1), axis=1)
    return float(apart.max()) / size if size > 0 else float("nan")


def _spread(values: list[float], null: tuple[float, float, float] | None) -> Spread:
    known = np.array([value for value in values if np.isfinite(value)])
    if not len(known):
        return Spread(float("nan"), (float("nan"), float("nan")), null, 0)
    means = np.random.default_rng(0).choice(known, (RESAMPLES, len(known))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Spread(float(known.mean()), (float(low), float(high)), null, len(known))


def _centre(heatmap: Floats, drawn: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the centre of mass of the positive evidence, in pixels of the input; NaN if there is none."""
    mass = np.maximum(heatmap, 0).astype(np.float64)
    total = mass.sum()
    if not total > 0:
        return np.full(heatmap.ndim, np.nan)
    profiles = [mass.sum(axis=tuple(other for other in range(mass.ndim) if other != axis)) for axis in range(mass.ndim)]
    where = np.array([(profile * np.arange(len(profile))).sum() / total for profile in profiles])
    scale = np.array(drawn) / np.array(heatmap.shape)
    return np.asarray((where + 0.5) * scale - 0.5)


def _pixel_size(scan: Scan, shape: tuple[int, ...]) -> tuple[tuple[float, ...], str]:
    """Return the size of an input's pixel along each axis, in mm if the scan has a spacing, else in scan pixels."""
    shrunk = max(whole / part for whole, part in zip(scan.voxels.shape, shape, strict=False))
    if scan.spacing_mm is None or len(scan.spacing_mm) != len(shape):
        return (shrunk,) * len(shape), "pixels"
    return tuple(shrunk * spacing for spacing in scan.spacing_mm), "mm"


def _verdict(reference: Floats, kinds: dict[str, Kind]) -> str:
    if not np.isfinite(reference).all() or np.ptp(reference) == 0 or reference.max() <= 0:
        return f"{NO_MAP}: the heatmap is empty or the same everywhere."
    for measure, words in (("pearson", "correlation"), ("ssim", "structural similarity")):
        name = min(kinds, key=lambda kind: _comparable(kinds[kind].measures[measure].mean))
        spread = kinds[name].measures[measure]
        null = spread.null or (float("nan"),) * 3
        lowest = f"{words} {spread.mean:.2f} under {name}, {null[0]:.2f} for meaningless maps"
        if not spread.mean > null[2]:
            return f"{UNSTABLE}: {lowest}."
    held = min(kind.class_held for kind in kinds.values())
    if held < 1:
        lost = f"it stayed in {100 * held:.0f} % of the worst copies"
        return f"The map is stable ({lowest}), but the prediction is not: {lost}."
    return f"Stable: more similar than meaningless maps under every change; lowest {lowest}."


def _comparable(value: float) -> float:
    return value if np.isfinite(value) else -1.0
