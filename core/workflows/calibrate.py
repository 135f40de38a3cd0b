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

from core.cohorts.synthetic.ood_images import foreign_pictures
from core.evaluation.calibration import fit_temperature
from core.evaluation.conformal import set_bounds, set_bounds_of_slices
from core.evaluation.fold_calibration import calibration_of, sets_of
from core.evaluation.metrics import person_numbers, share_over_people
from core.evaluation.ood import REFUSED, learn_familiar, limit_of
from core.evaluation.predictions import with_logits
from core.networks.card import Bundle, write_card
from core.networks.inference.aggregation import combined_logits
from core.networks.inference.prediction import not_ruled_out
from core.networks.inference.predictor import Predictor
from core.networks.ood import Familiar, signatures, write_familiar
from core.networks.recipe import Recipe
from core.networks.subset import Part

COVERAGE = 0.9
MOST_KNOWN = 2048  # training scans that are remembered
CHUNK = 64
UNCALIBRATED = "Probabilities are not calibrated."
AGE_UNKNOWN = "What people's age alone achieves was not measured for this card."

Floats = NDArray[np.float32]
Measure = Callable[[Floats], dict[str, Any]]


def learn_doubt(
    bundle: Bundle,
    predictor: Predictor,
    parts: dict[str, Part],
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
    familiar = learn_familiar(*_signatures(predictor, parts["train"]))
    asked: list[str] = [name for name in ("val", "test") if name in parts]  # the last one is measured
    seen = {name: _look(predictor, familiar, parts[name]) for name in asked}
    limit = limit_of(seen["val"][1])
    write_familiar(bundle.folder, familiar)
    why_not = _why_not(parts)
    card = {
        **bundle.card,
        "novelty": _novelty(predictor, familiar, limit, parts, {name: scores for name, (_, scores) in seen.items()}),
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


def _why_not(parts: dict[str, Part]) -> str | None:
    """Say why there is nobody to calibrate on; None if there is."""
    if (parts["val"].subjects == "").any():
        return "People cannot be told apart here, so there are none that the network was surely not trained on."
    if set(parts["val"].subjects.tolist()) & set(parts["train"].subjects.tolist()):
        return "The validation part shows people the network was trained on."
    return None


def _calibration(recipe: Recipe, parts: dict[str, Part], logits: dict[str, Floats], coverage: float) -> dict[str, Any]:
    known = parts["val"]
    numbers = person_numbers(known.subjects)
    slices = softmax(logits["val"].astype(np.float64), axis=1)
    bounds = set_bounds_of_slices(slices, known.labels, numbers, coverage=coverage)
    found: dict[str, Any] = {
        "method": "temperature scaling", "coverage": coverage,
        "fitted_on": {"scans": len(known.labels), "people": int(numbers.max()) + 1},
        "scan": _fitted(logits["val"], known.labels, numbers, bounds), "person": None, "measured": None,
    }  # fmt: skip
    if recipe.slices is not None:
        labels, together = _people(known, logits["val"], recipe.slices.combine)
        of_people, _ = set_bounds(softmax(together, axis=1), labels, coverage=coverage)
        found["person"] = _fitted(together, labels, np.arange(len(labels)), of_people)
    if "test" in parts:
        asked = parts["test"]
        table = pd.concat([_table(parts[name], name, logits[name], recipe) for name in ("val", "test")])
        kept = not_ruled_out(softmax(logits["test"].astype(np.float64), axis=1), bounds)
        hit = kept[np.arange(len(asked.labels)), asked.labels]
        held = share_over_people(hit, asked.subjects).as_dict("share")
        errors = calibration_of([table], recipe) or {}
        found["measured"] = {
            "errors": {unit: {name: {key: of_unit[name][key] for key in ("error", "interval", "log_loss")}
                              for name in ("as_is", "temperature")} for unit, of_unit in errors.items()},
            "sets_by_person": sets_of([table], recipe, coverage=coverage),
            "sets_by_slice": {**held, "size": float(kept.sum(axis=1).mean())},
        }  # fmt: skip
    return found


def _fitted(
    logits: NDArray[np.floating], labels: NDArray[np.int64], people: NDArray[np.int64], bounds: NDArray[np.float64]
) -> dict[str, Any]:
    scaling = fit_temperature(logits.astype(np.float64), labels, people)
    return {"temperature": scaling.temperature, "bounds": bounds.tolist()}


def _people(part: Part, logits: Floats, combine: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    numbers = person_numbers(part.subjects)
    own = [numbers == number for number in range(int(numbers.max()) + 1)]
    labels = np.array([np.bincount(part.labels[rows]).argmax() for rows in own])
    return labels, np.array([combined_logits(logits[rows], combine) for rows in own], np.float64)


def _novelty(
    predictor: Predictor, familiar: Familiar, limit: float, parts: dict[str, Part], scores: dict[str, Floats]
) -> dict[str, Any]:
    asked = "test" if "test" in parts else "val"
    turned = np.concatenate([_turned(predictor, familiar, chunk) for chunk in _chunks(parts[asked].scans)])
    refused = share_over_people((scores[asked] > limit) | (turned < scores[asked]), parts[asked].subjects)
    foreign = None
    if predictor.network.recipe.depth is None:
        every = max(1, len(parts[asked].labels) // 50)
        kinds = foreign_pictures(list(parts[asked].scans[::every, ..., 0]))
        foreign = {kind: _refused(predictor, familiar, limit, greys) for kind, greys in kinds.items()}
    return {
        "limit": limit,
        "refused_of_unseen_at_fitting": REFUSED,
        "axes": len(familiar.axes),
        "known_scans": len(familiar.labels),
        "unseen": {"part": asked, "scans": len(scores[asked]), **refused.as_dict("share")},
        "foreign": foreign,
    }


def _table(part: Part, name: str, logits: Floats, recipe: Recipe) -> pd.DataFrame:
    labels = np.array(recipe.classes)[part.labels]
    rows = pd.DataFrame({"path": "", "label": labels, "subject": part.subjects, "part": name, "slice": ""})
    return with_logits(rows, logits, recipe)


def _signatures(predictor: Predictor, part: Part) -> tuple[Floats, NDArray[np.int64]]:
    every = -(-len(part.labels) // MOST_KNOWN)
    scans = part.scans[::every]
    found = [signatures(predictor.features_and_logits(chunk)[0]) for chunk in _chunks(scans)]
    return np.concatenate(found), part.labels[::every]


def _look(predictor: Predictor, familiar: Familiar, part: Part) -> tuple[Floats, Floats]:
    """Return logits, N × classes, and novelty scores, N, of a part."""
    found = []
    for chunk in _chunks(part.scans):
        feature_maps, logits = predictor.features_and_logits(chunk)
        found.append((logits, familiar.scores(feature_maps)[0]))
    return np.concatenate([logits for logits, _ in found]), np.concatenate([scores for _, scores in found])


def _turned(predictor: Predictor, familiar: Familiar, fitted: Floats) -> Floats:
    """Return the scores of images upside down; infinite where that says nothing."""
    if not predictor.knows_upright:
        return np.full(len(fitted), np.inf, np.float32)
    return predictor.turned_scores(fitted, familiar)


def _refused(predictor: Predictor, familiar: Familiar, limit: float, greys: Sequence[Floats]) -> dict[str, Any]:
    fitted = predictor.fitted(greys)
    scores = familiar.scores(predictor.features_and_logits(fitted)[0])[0]
    hit = (scores > limit) | (_turned(predictor, familiar, fitted) < scores)
    return {"n": len(hit), "refused": float(hit.mean())}


def _chunks(scans: NDArray) -> Iterator[Floats]:
    for start in range(0, len(scans), CHUNK):
        yield np.asarray(scans[start : start + CHUNK], np.float32)
