"""How much a heatmap changes when the scan changes in ways that mean nothing.

Every similarity stands beside its null, what meaningless maps of the same size give: enlarged to be drawn, they are
alike too. Max-sensitivity: Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019, definition 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import StageLensError
from core.explain.attribution import ask
from core.explain.checks.perturbations import DROPOUT, NAMES, PERTURBATIONS, Matrix, Perturbation, moved, rescaled
from core.explain.checks.similarity import alike, null_of
from core.explain.explanation import Explainer, ExplanationBatch, Floats
from core.explain.registry import explainer
from core.explain.targets import class_indices
from core.networks.inference.predictor import Predictor
from core.networks.inference.submodels import is_linear_head
from core.plain import number_or_none
from core.scans import Scan

MEASURES = ("ssim", "pearson", "spearman", "top")
RESAMPLES = 1000
NOTHING, UNSTABLE = "Nothing to be stable", "Not stable"
DROPPING = ("grad-cam", "grad-cam++", "hires-cam", "layer-cam")


@dataclass(frozen=True)
class Spread:
    """A mean with what surrounds it.

    Attributes:
        mean: Over the copies that have a value.
        interval: 95 % of the mean, bootstrapped over the copies.
        null: Mean and middle 95 % of meaningless maps (`similarity.null_of`); None where it has no meaning.
        n: Copies with a value.
    """

    mean: float
    interval: tuple[float, float]
    null: tuple[float, float, float] | None
    n: int


@dataclass(frozen=True, eq=False)
class Kind:
    """What one kind of change did.

    Attributes:
        title: The change in words.
        copies: How many changed copies were made.
        measures: "ssim", "pearson", "spearman", "top", and "moved" (of the centre of mass: mm where the scan tells its
            spacing, else pixels of the scan).
        class_held: Share of the copies of which the network said the same class.
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
        reference: float32, the heatmap of the scan as it came.
        kinds: By name of the change.
        variability: float32, the standard deviation of each cell over all copies, in the heatmap's units.
        examples: A heatmap of the first copy of each kind, moved back.
        unit: Of "moved": "mm" or "pixels".
        verdict: In a sentence; a constant or empty heatmap is never called stable.
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
        """Whether the map stays more alike than meaningless ones; what the answer does is another question."""
        return not self.verdict.startswith((NOTHING, UNSTABLE))

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
        return {"method": self.method, "class": self.class_name, "verdict": self.verdict, "moved_in": self.unit,
                "kinds": kinds}  # fmt: skip


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
        class_name: The class; None for the one predicted of the unchanged scan. All copies are explained for it.
        method: Name of the method.
        kinds: Names of changes; none for all that this network and method allow.
        copies: Changed copies of each kind.
        seed: Of the changes.
        strengths: By kind, where the usual one is not wanted.
        settings: Of the method.
        height_mm: Height of the slice, where it is known.
        original: The scan's own pass, as `ask` gives it, where it was made already; class and height are then its.

    Raises:
        StageLensError: A name is not known, or dropout is asked for where there is none.
    """
    record = explainer(method)
    if original is None:
        wanted = class_indices(predictor.network.recipe, [class_name])
        original = ask(predictor, predictor.inputs([scan.grey()]), wanted, heights_mm=[height_mm])
    chosen = record.checked_settings(settings or {})
    reference = record.compute(original, **chosen).maps[0]
    found, examples, maps = {}, {}, []
    for number, change in enumerate(_changes(kinds, predictor, method)):
        strength = (strengths or {}).get(change.name, _usual(change, predictor))
        rng = np.random.default_rng([seed, number])
        heat, predictions = _changed_maps(record, original, change, strength, copies, rng, chosen)
        spacing, _ = _pixel_size(scan, original.inputs.shape[1:-1])
        found[change.name] = _summed_up(change, strength, reference, heat, predictions, original, spacing)
        examples[change.name] = heat[0]
        maps.append(heat)
    recipe = predictor.network.recipe
    variability = np.concatenate(maps).std(axis=0) if maps else np.zeros_like(reference)
    unit = _pixel_size(scan, original.inputs.shape[1:-1])[1]
    return Stability(
        method, recipe.classes[original.classes[0]], reference, found, variability.astype(np.float32), examples, unit,
        _verdict(reference, found),
    )  # fmt: skip


def _changes(kinds: Sequence[str], predictor: Predictor, method: str) -> list[Perturbation]:
    drops = predictor.network.recipe.head.dropout > 0 and is_linear_head(predictor.network) and method in DROPPING
    unknown = [name for name in kinds if name not in NAMES]
    if unknown:
        raise StageLensError(f"there is no change {unknown[0]!r}; known are {', '.join(NAMES)}.")
    if DROPOUT.name in kinds and not drops:
        raise StageLensError(
            f"dropout can be tried with {', '.join(DROPPING)}, on networks with dropout before a single dense layer."
        )
    every = [*PERTURBATIONS, *([DROPOUT] if drops else [])]
    return [change for change in every if not kinds or change.name in kinds]


def _usual(change: Perturbation, predictor: Predictor) -> float:
    return predictor.network.recipe.head.dropout if change is DROPOUT else change.strength


def _changed_maps(
    record: Explainer, original: ExplanationBatch, change: Perturbation, strength: float, copies: int,
    rng: np.random.Generator, settings: dict[str, Any],
) -> tuple[Floats, NDArray[np.int64]]:  # fmt: skip
    """Return the heatmaps of changed copies, moved back, and the classes the network gave them."""
    scan = original.inputs[0, ..., 0]
    motions: list[Matrix | None] = [None] * copies
    if change is DROPOUT:
        kernel = original.predictor.dropped_kernels(copies, int(rng.integers(2**31)))
        axes = tuple(range(1, original.feature_maps.ndim - 1))
        feature_maps = np.repeat(original.feature_maps, copies, axis=0)
        bias = np.asarray(original.predictor.network.head.get_layer("logits").bias)
        logits = np.einsum("nk,nkc->nc", feature_maps.mean(axis=axes), kernel) + bias
        batch = replace(original, inputs=np.repeat(original.inputs, copies, axis=0), feature_maps=feature_maps,
                        logits=logits, kernel=kernel)  # fmt: skip
    else:
        changed = []
        for index in range(copies):
            if change.motion is not None:
                motion = change.motion(strength, rng, scan.shape)
                motions[index] = motion
                changed.append(moved(scan, motion))
            elif change.change is not None:
                changed.append(np.clip(change.change(scan, strength, rng), 0, 255))
        batch = ask(original.predictor, np.stack(changed)[..., None].astype(np.float32), np.full(copies, -1))
    batch = replace(batch, classes=np.full(copies, original.classes[0]), heights_mm=[original.heights_mm[0]] * copies)
    heat = record.compute(batch, **settings).maps
    back = [
        one
        if motion is None
        else moved(one, rescaled(np.asarray(np.linalg.inv(motion), np.float64), scan.shape, one.shape))
        for one, motion in zip(heat, motions, strict=True)
    ]
    return np.stack(back), batch.logits.argmax(axis=1)


def _summed_up(
    change: Perturbation, strength: float, reference: Floats, heat: Floats, predictions: NDArray[np.int64],
    original: ExplanationBatch, spacing: tuple[float, ...],
) -> Kind:  # fmt: skip
    drawn = original.inputs.shape[1:-1]
    pairs = [alike(reference, one, drawn) for one in heat]
    nulls = null_of(reference, drawn)
    measures = {name: _spread([getattr(pair, name) for pair in pairs], nulls[name]) for name in MEASURES}
    here = _centre(reference, drawn)
    shifts = [float(np.linalg.norm((_centre(one, drawn) - here) * spacing)) for one in heat]
    measures["moved"] = _spread(shifts, None)
    size = float(np.linalg.norm(reference))
    apart = np.linalg.norm((heat - reference).reshape(len(heat), -1), axis=1)
    return Kind(
        change.title.format(strength=strength), len(heat), measures,
        float((predictions == original.logits[0].argmax()).mean()), float(apart.max()) / size if size > 0 else float("nan"),
    )  # fmt: skip


def _spread(values: list[float], null_of: tuple[float, float, float] | None) -> Spread:
    known = np.array([value for value in values if np.isfinite(value)])
    if not len(known):
        return Spread(float("nan"), (float("nan"), float("nan")), null_of, 0)
    drawn = np.random.default_rng(0).choice(known, (RESAMPLES, len(known))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Spread(float(known.mean()), (float(low), float(high)), null_of, len(known))


def _centre(heat: Floats, drawn: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the centre of mass of the positive evidence, in pixels of the fitted scan; NaN where there is none."""
    mass = np.maximum(heat, 0).astype(np.float64)
    total = mass.sum()
    if not total > 0:
        return np.full(heat.ndim, np.nan)
    where = [(mass.sum(axis=tuple(a for a in range(heat.ndim) if a != axis)) * np.arange(side)).sum() / total
             for axis, side in enumerate(heat.shape)]  # fmt: skip
    scale = np.array(drawn) / np.array(heat.shape)
    return np.asarray((np.array(where) + 0.5) * scale - 0.5)


def _pixel_size(scan: Scan, inputs: tuple[int, ...]) -> tuple[tuple[float, ...], str]:
    """Return the size of a fitted pixel along each axis, in mm where the scan tells its spacing, else in its pixels."""
    shrunk = max(whole / part for whole, part in zip(scan.voxels.shape, inputs, strict=False))
    if scan.spacing_mm is None or len(scan.spacing_mm) != len(inputs):
        return (shrunk,) * len(inputs), "pixels"
    return tuple(shrunk * spacing for spacing in scan.spacing_mm), "mm"


def _verdict(reference: Floats, kinds: dict[str, Kind]) -> str:
    if not np.isfinite(reference).all() or np.ptp(reference) == 0 or reference.max() <= 0:
        return f"{NOTHING}: the heatmap is empty or the same everywhere."
    for measure, words in (("pearson", "correlation"), ("ssim", "structural similarity")):
        name, spread = min(((name, kind.measures[measure]) for name, kind in kinds.items()),
                           key=lambda item: _known(item[1].mean))  # fmt: skip
        least = spread.null or (float("nan"),) * 3
        beside = f"{words} {spread.mean:.2f} under {name}, meaningless maps {least[0]:.2f}"
        if not spread.mean > least[2]:
            return f"{UNSTABLE}: {beside}."
    held = min(kind.class_held for kind in kinds.values())
    if held < 1:
        return f"The map holds ({beside}), the answer does not always: it stayed in {held:.0%} of the worst copies."
    return f"More alike than meaningless maps under every change; least: {beside}."


def _known(value: float) -> float:
    return value if np.isfinite(value) else -1.0
