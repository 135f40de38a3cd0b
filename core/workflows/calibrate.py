"""What a trained network must say with every answer, learned from validation people: how probable, which classes are
compatible, and whether it was trained on such scans at all. It goes into the bundle's card.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from core.cohorts.split_summary import describe_split
from core.cohorts.synthetic.ood_images import ood_images
from core.errors import BundleError
from core.evaluation.bootstrap import fraction_over_people
from core.evaluation.calibration import fit_temperature
from core.evaluation.conformal import set_bounds, set_bounds_of_slices
from core.evaluation.confounders import SubjectFacts, confounders_of
from core.evaluation.fold_calibration import calibration_of, sets_of
from core.evaluation.metrics import metrics_of
from core.evaluation.nearest import nearest_training_picture
from core.evaluation.ood import REJECTED, fit_ood_model, ood_limit
from core.evaluation.predictions import with_logits
from core.evaluation.scored import Scored, subject_numbers
from core.networks.bundle import OOD_FILE, Bundle, with_digests
from core.networks.card import (
    CalibrationRecord,
    Card,
    FittedOn,
    MeasuredCalibration,
    NearestPicture,
    OodKind,
    OodRecord,
    SliceSets,
    UnitScaling,
    UnseenScans,
    write_card,
)
from core.networks.inference.batches import BATCH, BATCH_OF_VOLUMES
from core.networks.inference.engine import Pass
from core.networks.inference.loading import load_predictor
from core.networks.inference.prediction import prediction_set
from core.networks.inference.predictor import Predictor
from core.networks.ood import OodModel, signatures, write_ood_model
from core.networks.recipe import Recipe
from core.networks.subset import Subset, fingerprint, load_subset
from core.reporting.text.card_data import UNKNOWN, unknown_facts
from core.scans import Scan

COVERAGE = 0.9
MOST_KNOWN = 2048  # training scans that are remembered
UNCALIBRATED = "Probabilities are not calibrated."
AGE_UNKNOWN = "What people's age alone achieves was not measured"  # in cards of before

Floats = NDArray[np.float32]
Parts = Mapping[str, Subset]


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """What was learned of a network.

    Attributes:
        ood_model: What tells scans that are out of distribution.
        ood: What is said of it.
        calibration: None where there is nobody to calibrate on.
        why_not: Why there is none; "" otherwise.
        asked: Logits of the part that was measured, N × classes.
    """

    ood_model: OodModel
    ood: OodRecord
    calibration: CalibrationRecord | None
    why_not: str
    asked: Floats = field(repr=False)

    def on_card(self, card: Card) -> Card:
        """Return a card that says so; what it said before of calibration and confounders is gone."""
        limits = [one for one in card.limits if not one.startswith((UNCALIBRATED, AGE_UNKNOWN, UNKNOWN))]
        limits.append(unknown_facts(None))
        if self.why_not:
            limits.append(f"{UNCALIBRATED} {self.why_not}")
        return replace(card, ood=self.ood, calibration=self.calibration, confounders=None, limits=tuple(limits))


def measured_part(parts: Container[str]) -> str:
    """Return the name of the part that is measured: the test part, or the validation part where there is none."""
    return "test" if "test" in parts else "val"


@dataclass(frozen=True, eq=False)
class Passed:
    """What one pass of a network over the parts of a split left.

    Attributes:
        logits: By part, N × classes.
        scores: OOD scores, N, of the parts but train.
        ood_model: Fitted to the training part.
    """

    logits: dict[str, Floats]
    scores: dict[str, Floats]
    ood_model: OodModel


def pass_over(run: Pass, parts: Parts) -> Passed:
    """Let a network see every scan of the parts once.

    Args:
        run: Its forward pass, from scans at its size to feature maps and logits.
        parts: The parts; train among them, of which at most `MOST_KNOWN` evenly drawn scans fit the OOD model.
    """
    known, logits, scores = [], {}, {}
    train = parts["train"]
    every = -(-len(train.labels) // MOST_KNOWN)
    found = []
    for start, chunk in _chunks(train.scans):
        feature_maps, said = run(chunk)
        found.append(said)
        remembered = feature_maps[-start % every :: every]
        if len(remembered):  # none of a short last batch may be due
            known.append(signatures(remembered))
    logits["train"] = np.concatenate(found)
    ood_model = fit_ood_model(np.concatenate(known), train.labels[::every])
    for name in (name for name in parts if name != "train"):
        seen = [
            (said, ood_model.scores(maps)[0]) for maps, said in (run(chunk) for _, chunk in _chunks(parts[name].scans))
        ]
        logits[name], scores[name] = (np.concatenate(one) for one in zip(*seen, strict=True))
    return Passed(logits, scores, ood_model)


def fit_uncertainty(
    predictor: Predictor,
    parts: Parts,
    *,
    coverage: float = COVERAGE,
    passed: Passed | None = None,
    crossed: tuple[Subset, Floats] | None = None,
) -> Uncertainty:
    """Fit temperature, prediction sets and the OOD model, and measure them on the test part.

    Args:
        predictor: The network.
        parts: The parts of the split it was trained on; train and val at least.
        coverage: Nominal, of the prediction sets.
        passed: What its pass over the parts left; None to make one.
        crossed: People it has learned from, with what models that have not seen them say of them, in the place of the
            validation part; None for that.
    """
    passed = passed or pass_over(predictor.body.run, parts)
    ood_model, logits, asked = passed.ood_model, passed.logits, measured_part(parts)
    limit = ood_limit(passed.scores["val"])
    why_not = _why_not(parts)
    if crossed is not None:
        parts, logits = {**parts, "val": crossed[0]}, {**logits, "val": crossed[1]}
    recipe, gate = predictor.recipe, _gate(predictor, ood_model, limit, parts["val"].scans, passed.scores["val"])
    return Uncertainty(
        ood_model=ood_model,
        ood=_ood(gate, asked=asked, subset=parts[asked], scores=passed.scores[asked]),
        calibration=None if why_not else _calibration(recipe, parts, logits, coverage),
        why_not=why_not,
        asked=logits[asked],
    )


def calibrate_bundle(
    bundle: Bundle, split: pd.DataFrame, *, coverage: float = COVERAGE, people: SubjectFacts | None = None
) -> Bundle:
    """Measure a bundle anew and learn how far it is to be believed, as at the end of its training.

    Args:
        bundle: What is calibrated; its card is written anew.
        split: The split table it was trained on.
        coverage: Nominal, of the prediction sets.
        people: What is known of the people, for confounders; None for nothing.

    Raises:
        BundleError: It was trained on another split, or is a morphometric model.
        StageLensError: As raised by the rooms below.
    """
    if bundle.recipe.morphometry is not None:
        raise BundleError(
            f"{bundle.name} has learned from the validation people, too, and is calibrated when it is trained, by "
            "models that have not seen them; train it anew."
        )
    if describe_split(split).hash != bundle.card.split.hash:
        raise BundleError(f"{bundle.name} was trained on another split; only its own knows whom it has not seen.")
    parts = {name: load_subset(split, name, bundle.recipe) for name in sorted(set(split["part"]))}
    if fingerprint(list(parts.values())) != bundle.card.data_fingerprint:
        raise BundleError(f"{bundle.name} was trained on other scans than those of this split.")
    found = fit_uncertainty(load_predictor(_without_ood(bundle)), parts, coverage=coverage)
    asked = measured_part(parts)
    scored = scored_subset(parts[asked], found.asked, bundle.recipe)
    by_slice, by_subject = metrics_of(scored)
    nearest = nearest_of(parts, asked, scored, bundle.recipe)
    card = replace(found.on_card(bundle.card), by_slice=by_slice, by_subject=by_subject, nearest=nearest)
    if people is not None:
        card = with_confounders(card, people, split.loc[split["part"] == asked, "path"].tolist(), scored)
    write_ood_model(bundle.folder, found.ood_model)
    card = with_digests(card, bundle.folder)
    write_card(bundle.folder, card)
    return replace(bundle, card=card)


def with_confounders(card: Card, people: SubjectFacts, paths: Sequence[str], scored: Scored) -> Card:
    """Return a card that puts what is known of people beside the metrics.

    Args:
        card: The card.
        people: What is known.
        paths: Of the scans that were measured.
        scored: What was said of them.
    """
    confounders = confounders_of(people, paths, scored)
    limits = [one for one in card.limits if not one.startswith(UNKNOWN)]
    return replace(card, confounders=confounders, limits=(*limits, unknown_facts(confounders)))


def nearest_of(parts: Parts, asked: str, scored: Scored, recipe: Recipe) -> NearestPicture | None:
    """Return what the nearest training picture reaches on the part that is measured; None for volumes.

    Args:
        parts: The parts of the split.
        asked: Which of them is measured.
        scored: It, with what the network says of it.
        recipe: Of the network.
    """
    if recipe.depth is not None:
        return None
    train = parts["train"]
    return nearest_training_picture(train.scans, train.labels, scored, parts[asked].scans)


def _without_ood(bundle: Bundle) -> Bundle:
    """Return a bundle that does not look at its OOD model, which is made anew: a kill may have come between the two."""
    digests = {name: digest for name, digest in bundle.card.digests.items() if name != OOD_FILE}
    return replace(bundle, card=replace(bundle.card, ood=None, digests=digests))


def scored_subset(subset: Subset, logits: Floats, recipe: Recipe) -> Scored:
    """Return a part with what a network says of it, ready to be measured."""
    return Scored(subset.labels, logits, subset.subjects, recipe.as_task(), aggregation=recipe.aggregation)


def _why_not(parts: Parts) -> str:
    """Say why there is nobody to calibrate on; "" if there is."""
    if (parts["val"].subjects == "").any():
        return "People cannot be told apart here, so there are none that the network was surely not trained on."
    if set(parts["val"].subjects.tolist()) & set(parts["train"].subjects.tolist()):
        return "The validation part shows people the network was trained on."
    return ""


def _has_unseen_test(parts: Parts) -> bool:
    """Tell whether there is a test part, of people that nothing was trained or fitted on."""
    if "test" not in parts:
        return False
    seen = {name for part in ("train", "val") for name in parts[part].subjects.tolist()}
    return seen.isdisjoint(parts["test"].subjects.tolist())


def _calibration(recipe: Recipe, parts: Parts, logits: Mapping[str, Floats], coverage: float) -> CalibrationRecord:
    known = scored_subset(parts["val"], logits["val"], recipe)
    people = known.people
    bounds = set_bounds_of_slices(_softmax(known.logits), known.labels, people, coverage=coverage)
    of_subject = None
    if recipe.slices is not None:
        labels, together = known.by_subject()
        of_subject = _scaling(
            together, labels, np.arange(len(labels)), set_bounds(_softmax(together), labels, coverage=coverage)[0]
        )
    return CalibrationRecord(
        method="temperature scaling",
        coverage=coverage,
        fitted_on=FittedOn(scans=len(known.labels), people=int(people.max()) + 1),
        scan=_scaling(known.logits, known.labels, people, bounds),
        subject=of_subject,
        measured=_measured(recipe, parts, logits, bounds, coverage=coverage) if _has_unseen_test(parts) else None,
    )


def _measured(
    recipe: Recipe, parts: Parts, logits: Mapping[str, Floats], bounds: NDArray[np.float64], *, coverage: float
) -> MeasuredCalibration:
    asked = parts["test"]
    table = pd.concat([_table(parts[name], name, logits[name], recipe) for name in ("val", "test")])
    sets = prediction_set(_softmax(logits["test"]), bounds)
    hits = sets[np.arange(len(asked.labels)), asked.labels]
    found = calibration_of([table], recipe)
    units = {} if found is None else {"by_slice": found.by_slice, "by_subject": found.by_subject}
    errors = {
        unit: {name: replace(one.scalings[name], reliability=(), temperatures=()) for name in ("as_is", "temperature")}
        for unit, one in units.items()
    }
    return MeasuredCalibration(
        errors=errors,
        sets_by_subject=sets_of([table], recipe, coverage=coverage),
        sets_by_slice=SliceSets(
            coverage=fraction_over_people(hits, subject_numbers(asked.subjects)),
            size=float(sets.sum(axis=1).mean()),
        ),
    )


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(softmax(logits.astype(np.float64), axis=1))


def _scaling(
    logits: NDArray[np.floating], labels: NDArray[np.int64], people: NDArray[np.int64], bounds: NDArray[np.float64]
) -> UnitScaling:
    temperature = fit_temperature(logits.astype(np.float64), labels, people).temperature
    assert temperature is not None  # noqa: S101 - this scaling is one
    return UnitScaling(temperature=temperature, bounds=tuple(bounds.tolist()))


@dataclass(frozen=True, eq=False)
class _Gate:
    """What rejects scans: the limit of their score, and whether they are closer to the training scans upside down.

    The second is of use only where validation scans, which lie as all of the set do, are not: a set of three planes, or
    one that itself holds scans upside down, does not say which way is up.
    """

    predictor: Predictor
    ood_model: OodModel
    limit: float
    tells_upright: bool

    def rejected(self, inputs: Floats, scores: Floats) -> NDArray[np.bool_]:
        """Tell of images, at the network's size and with their scores, which are rejected."""
        beyond: NDArray[np.bool_] = scores > self.limit
        return beyond | (_turned(self.predictor, self.ood_model, inputs) < scores) if self.tells_upright else beyond


def _gate(predictor: Predictor, ood_model: OodModel, limit: float, scans: NDArray, scores: Floats) -> _Gate:
    """Find out on validation scans, at the network's size and with their scores, what may reject a scan."""
    tells = predictor.knows_upright
    if tells:
        turned = np.concatenate([_turned(predictor, ood_model, chunk) for _, chunk in _chunks(scans)])
        tells = float((turned < scores).mean()) <= REJECTED
    return _Gate(predictor, ood_model, limit, tells)


def _ood(gate: _Gate, *, asked: str, subset: Subset, scores: Floats) -> OodRecord:
    """Measure what is rejected of people never seen, and of images that are no such scans."""
    hit = [gate.rejected(chunk, scores[start : start + len(chunk)]) for start, chunk in _chunks(subset.scans)]
    kinds = None
    if gate.predictor.recipe.depth is None:
        every = max(1, len(subset.labels) // 50)
        images = ood_images(list(subset.scans[::every, ..., 0]))
        kinds = {kind: _rejected(gate, intensities) for kind, intensities in images.items()}
    return OodRecord(
        limit=gate.limit,
        rejected_at_fitting=REJECTED,
        axes=len(gate.ood_model.axes),
        training_scans=len(gate.ood_model.labels),
        unseen=UnseenScans(
            part=asked,
            scans=len(scores),
            rejected=fraction_over_people(np.concatenate(hit), subject_numbers(subset.subjects)),
        ),
        kinds=kinds,
        tells_upright=gate.tells_upright,
    )


def _table(subset: Subset, name: str, logits: Floats, recipe: Recipe) -> pd.DataFrame:
    labels = np.array(recipe.classes)[subset.labels]
    rows = pd.DataFrame({"path": "", "label": labels, "subject": subset.subjects, "part": name, "slice": ""})
    return with_logits(rows, logits, recipe)


def _turned(predictor: Predictor, ood_model: OodModel, inputs: Floats) -> Floats:
    """Return the scores of images upside down; infinite where that says nothing, or they are clearly upright."""
    scores = np.full(len(inputs), np.inf, np.float32)
    scans = [Scan(one[..., 0], (0.0, 255.0), "", "") for one in inputs]
    for index, score in predictor.turned_where_in_doubt(scans, inputs, ood_model).items():
        scores[index] = score
    return scores


def _rejected(gate: _Gate, intensities: Sequence[Floats]) -> OodKind:
    inputs = gate.predictor.inputs(intensities)
    hit = gate.rejected(inputs, gate.ood_model.scores(gate.predictor.features_and_logits(inputs)[0])[0])
    return OodKind(n=len(hit), rejected=float(hit.mean()))


def _chunks(scans: NDArray) -> Iterator[tuple[int, Floats]]:
    """Yield the number of the first scan, and the scans, of one batch after the other."""
    size = BATCH if scans.ndim == 4 else BATCH_OF_VOLUMES
    for start in range(0, len(scans), size):
        yield start, np.asarray(scans[start : start + size], np.float32)
