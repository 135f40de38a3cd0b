"""What a trained network must say with every answer, learned from validation people: how probable, what cannot be ruled
out, and whether it knows such scans at all. It goes into the bundle's card.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from core.cohorts.synthetic.ood_images import ood_images
from core.evaluation.calibration import fit_temperature
from core.evaluation.conformal import set_bounds, set_bounds_of_slices
from core.evaluation.fold_calibration import calibration_of, sets_of
from core.evaluation.metrics import fraction_over_people, subject_numbers
from core.evaluation.ood import REJECTED, fit_ood_model, ood_limit
from core.evaluation.predictions import with_logits
from core.networks.card import Bundle, write_card
from core.networks.inference.aggregation import combined_logits
from core.networks.inference.prediction import prediction_set
from core.networks.inference.predictor import Predictor
from core.networks.ood import OodModel, signatures, write_ood_model
from core.networks.recipe import Recipe
from core.networks.subset import Subset

COVERAGE = 0.9
MOST_KNOWN = 2048  # training scans that are remembered
CHUNK = 64
UNCALIBRATED = "Probabilities are not calibrated."
AGE_UNKNOWN = "What people's age alone achieves was not measured for this card."

Floats = NDArray[np.float32]
Measure = Callable[[Floats], dict[str, Any]]


def fit_uncertainty(
    bundle: Bundle,
    predictor: Predictor,
    parts: dict[str, Subset],
    *,
    coverage: float = COVERAGE,
    measure: Measure = lambda _: {},
) -> Bundle:
    """Fit temperature, prediction sets and novelty, measure them on the test part, and write them into the bundle.

    Args:
        bundle: A bundle without them, or with older ones.
        predictor: Its network.
        parts: The parts of the split it was trained on; train and val at least.
        coverage: Of the prediction sets.
        measure: Given the logits of the test part (of the validation part where there is none), what else goes into the
            card: figures, and `confounders` where people's age is known.

    Returns:
        The bundle with its new card.
    """
    ood_model = fit_ood_model(*_signatures(predictor, parts["train"]))
    asked: list[str] = [name for name in ("val", "test") if name in parts]  # the last one is measured
    seen = {name: _look(predictor, ood_model, parts[name]) for name in asked}
    limit = ood_limit(seen["val"][1])
    write_ood_model(bundle.folder, ood_model)
    why_not = _why_not(parts)
    card = {
        **bundle.card,
        "ood": _ood(predictor, ood_model, limit, parts, {name: scores for name, (_, scores) in seen.items()}),
        "calibration": None,
        "confounders": None,
        **measure(seen[asked[-1]][0]),
        "limits": [one for one in bundle.card["limits"] if not one.startswith((UNCALIBRATED, AGE_UNKNOWN))],
    }
    if card["confounders"] is None and bundle.recipe.as_task().ordered:
        card["limits"].append(AGE_UNKNOWN)
    if why_not is None:
        card["calibration"] = _calibration(
            bundle.recipe, parts, {name: logits for name, (logits, _) in seen.items()}, coverage
        )
    else:
        card["limits"].append(f"{UNCALIBRATED} {why_not}")
    write_card(bundle.folder, card)
    return replace(bundle, card=card)


def _why_not(parts: dict[str, Subset]) -> str | None:
    """Say why there is nobody to calibrate on; None if there is."""
    if (parts["val"].subjects == "").any():
        return "People cannot be told apart here, so there are none that the network was surely not trained on."
    if set(parts["val"].subjects.tolist()) & set(parts["train"].subjects.tolist()):
        return "The validation part shows people the network was trained on."
    return None


def _calibration(
    recipe: Recipe, parts: dict[str, Subset], logits: dict[str, Floats], coverage: float
) -> dict[str, Any]:
    known = parts["val"]
    numbers = subject_numbers(known.subjects)
    slices = softmax(logits["val"].astype(np.float64), axis=1)
    bounds = set_bounds_of_slices(slices, known.labels, numbers, coverage=coverage)
    found: dict[str, Any] = {
        "method": "temperature scaling", "coverage": coverage,
        "fitted_on": {"scans": len(known.labels), "people": int(numbers.max()) + 1},
        "scan": _fitted(logits["val"], known.labels, numbers, bounds), "subject": None, "measured": None,
    }  # fmt: skip
    if recipe.slices is not None:
        labels, together = _people(known, logits["val"], recipe.slices.combine)
        of_people, _ = set_bounds(softmax(together, axis=1), labels, coverage=coverage)
        found["subject"] = _fitted(together, labels, np.arange(len(labels)), of_people)
    if "test" in parts:
        asked = parts["test"]
        table = pd.concat([_table(parts[name], name, logits[name], recipe) for name in ("val", "test")])
        kept = prediction_set(softmax(logits["test"].astype(np.float64), axis=1), bounds)
        hit = kept[np.arange(len(asked.labels)), asked.labels]
        held = fraction_over_people(hit, asked.subjects).as_dict("fraction")
        errors = calibration_of([table], recipe) or {}
        found["measured"] = {
            "errors": {unit: {name: {key: of_unit[name][key] for key in ("error", "interval", "log_loss")}
                              for name in ("as_is", "temperature")} for unit, of_unit in errors.items()},
            "sets_by_subject": sets_of([table], recipe, coverage=coverage),
            "sets_by_slice": {**held, "size": float(kept.sum(axis=1).mean())},
        }  # fmt: skip
    return found


def _fitted(
    logits: NDArray[np.floating], labels: NDArray[np.int64], people: NDArray[np.int64], bounds: NDArray[np.float64]
) -> dict[str, Any]:
    scaling = fit_temperature(logits.astype(np.float64), labels, people)
    return {"temperature": scaling.temperature, "bounds": bounds.tolist()}


def _people(part: Subset, logits: Floats, combine: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    numbers = subject_numbers(part.subjects)
    own = [numbers == number for number in range(int(numbers.max()) + 1)]
    labels = np.array([np.bincount(part.labels[rows]).argmax() for rows in own])
    return labels, np.array([combined_logits(logits[rows], combine) for rows in own], np.float64)


def _ood(
    predictor: Predictor, ood_model: OodModel, limit: float, parts: dict[str, Subset], scores: dict[str, Floats]
) -> dict[str, Any]:
    asked = "test" if "test" in parts else "val"
    turned = np.concatenate([_turned(predictor, ood_model, chunk) for chunk in _chunks(parts[asked].scans)])
    rejected = fraction_over_people((scores[asked] > limit) | (turned < scores[asked]), parts[asked].subjects)
    ood_rejection = None
    if predictor.network.recipe.depth is None:
        every = max(1, len(parts[asked].labels) // 50)
        kinds = ood_images(list(parts[asked].scans[::every, ..., 0]))
        ood_rejection = {
            kind: _rejected(predictor, ood_model, limit, intensities) for kind, intensities in kinds.items()
        }
    return {
        "limit": limit,
        "rejected_at_fitting": REJECTED,
        "axes": len(ood_model.axes),
        "training_scans": len(ood_model.labels),
        "unseen": {"part": asked, "scans": len(scores[asked]), **rejected.as_dict("fraction")},
        "ood_rejection": ood_rejection,
    }


def _table(part: Subset, name: str, logits: Floats, recipe: Recipe) -> pd.DataFrame:
    labels = np.array(recipe.classes)[part.labels]
    rows = pd.DataFrame({"path": "", "label": labels, "subject": part.subjects, "part": name, "slice": ""})
    return with_logits(rows, logits, recipe)


def _signatures(predictor: Predictor, part: Subset) -> tuple[Floats, NDArray[np.int64]]:
    every = -(-len(part.labels) // MOST_KNOWN)
    scans = part.scans[::every]
    found = [signatures(predictor.features_and_logits(chunk)[0]) for chunk in _chunks(scans)]
    return np.concatenate(found), part.labels[::every]


def _look(predictor: Predictor, ood_model: OodModel, part: Subset) -> tuple[Floats, Floats]:
    """Return logits, N × classes, and novelty scores, N, of a part."""
    found = []
    for chunk in _chunks(part.scans):
        feature_maps, logits = predictor.features_and_logits(chunk)
        found.append((logits, ood_model.scores(feature_maps)[0]))
    return np.concatenate([logits for logits, _ in found]), np.concatenate([scores for _, scores in found])


def _turned(predictor: Predictor, ood_model: OodModel, inputs: Floats) -> Floats:
    """Return the scores of images upside down; infinite where that says nothing."""
    if not predictor.knows_upright:
        return np.full(len(inputs), np.inf, np.float32)
    return predictor.turned_scores(inputs, ood_model)


def _rejected(predictor: Predictor, ood_model: OodModel, limit: float, intensities: Sequence[Floats]) -> dict[str, Any]:
    inputs = predictor.inputs(intensities)
    scores = ood_model.scores(predictor.features_and_logits(inputs)[0])[0]
    hit = (scores > limit) | (_turned(predictor, ood_model, inputs) < scores)
    return {"n": len(hit), "rejected": float(hit.mean())}


def _chunks(scans: NDArray) -> Iterator[Floats]:
    for start in range(0, len(scans), CHUNK):
        yield np.asarray(scans[start : start + CHUNK], np.float32)
