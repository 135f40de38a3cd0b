"""How far a run's probabilities can be taken at their word, before and after a scaling learned on validation people;
and the sets of classes that cannot be ruled out.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from core.evaluation.calibration import Scaling, calibration_error, fit_temperature, fit_vector_scaling
from core.evaluation.conformal import covered, prediction_sets
from core.evaluation.metrics import subject_level, subject_numbers
from core.networks.recipe import Recipe
from core.plain import number_or_none
from core.runs.folder import logits_in

Fit = Callable[[NDArray[np.floating], NDArray[np.int64], NDArray[np.int64]], Scaling]
Measured = tuple[NDArray[np.int64], NDArray[np.floating], NDArray[np.int64]]  # labels, logits, people


def calibration_of(tables: list[pd.DataFrame], recipe: Recipe) -> dict[str, Any] | None:
    """Calibrate each fold on its validation people and measure on its test people.

    Args:
        tables: Predictions, one table a fold, as `core.runs.folder.read_predictions` gives them.
        recipe: Whose classes.

    Returns:
        Plain values: `by_slice` and `by_subject`, each with the people it was fitted on and measured on, and for
        `as_is`, `temperature` and `vector` the expected calibration error with its interval, the log loss, and the bins
        of the reliability diagram; the temperatures of the folds. None without validation people.
    """
    if not _can_be_calibrated(tables):
        return None
    return {
        "by_slice": _measured([tuple(_slices(table, part, recipe) for part in ("val", "test")) for table in tables]),
        "by_subject": _measured([tuple(_people(table, part, recipe) for part in ("val", "test")) for table in tables]),
    }


def sets_of(tables: list[pd.DataFrame], recipe: Recipe, *, coverage: float) -> dict[str, Any] | None:
    """Give each test person the classes that cannot be ruled out, by the validation people of their fold.

    Args:
        tables: As for `calibration_of`.
        recipe: Whose classes.
        coverage: How often the truth is to be among them.

    Returns:
        Plain values: `wanted`, `coverage` with its `interval`, `by_class` (null without people), mean `size`, share of
        `single` ones, and the classes `calibrated_alone` in every fold. None without validation people.
    """
    if not _can_be_calibrated(tables):
        return None
    sets, labels, alone = [], [], set(range(len(recipe.classes)))
    for table in tables:
        (known_labels, known, _), (asked_labels, asked, _) = (_people(table, part, recipe) for part in ("val", "test"))
        found, own = prediction_sets(softmax(known, axis=1), known_labels, softmax(asked, axis=1), coverage=coverage)
        sets.append(found)
        labels.append(asked_labels)
        alone &= set(own)
    measured = covered(np.concatenate(sets), np.concatenate(labels), wanted=coverage)
    return {
        "wanted": coverage,
        **measured.coverage.as_dict("coverage"),
        "by_class": {name: number_or_none(fraction)
                     for name, fraction in zip(recipe.classes, measured.by_class, strict=True)},
        "size": measured.size,
        "single": measured.single,
        "calibrated_alone": [recipe.classes[index] for index in sorted(alone)],
    }  # fmt: skip


def _can_be_calibrated(tables: list[pd.DataFrame]) -> bool:
    known = (pd.concat(tables)["subject"] != "").all()
    return bool(known) and all({"val", "test"} <= set(table["part"]) for table in tables)


def _measured(folds: list[tuple[Measured, ...]]) -> dict[str, Any]:
    fits: dict[str, Fit | None] = {"as_is": None, "temperature": fit_temperature, "vector": fit_vector_scaling}
    found: dict[str, Any] = {
        "fitted_on_people": sum(len(set(known[2].tolist())) for known, _ in folds),
        "measured_on_people": sum(len(set(asked[2].tolist())) for _, asked in folds),
    }
    labels = np.concatenate([asked[0] for _, asked in folds])
    people = _apart([asked[2] for _, asked in folds])
    for name, fit in fits.items():
        logits, temperatures = [], []
        for (known_labels, known, known_subjects), (_, asked, _) in folds:
            scaling = None if fit is None else fit(known, known_labels, known_subjects)
            logits.append(asked if scaling is None else scaling(asked))
            temperatures.append(None if scaling is None else scaling.temperature)
        scaled = np.concatenate(logits).astype(np.float64)
        error, bins = calibration_error(softmax(scaled, axis=1), labels, people)
        found[name] = {
            **error.as_dict("error"),
            "log_loss": float(-log_softmax(scaled, axis=1)[np.arange(len(labels)), labels].mean()),
            "reliability": [asdict(one) for one in bins],
        }
        if name == "temperature":
            found[name]["temperatures"] = temperatures
    return found


def _slices(table: pd.DataFrame, part: str, recipe: Recipe) -> Measured:
    rows = table[table["part"] == part]
    labels, logits = logits_in(rows, recipe)
    return labels, logits, subject_numbers(rows["subject"].to_numpy(str))


def _people(table: pd.DataFrame, part: str, recipe: Recipe) -> Measured:
    labels, means = subject_level(*_slices(table, part, recipe))
    return labels, means, np.arange(len(labels))


def _apart(people: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Number the people of several folds through."""
    firsts = np.cumsum([0, *(int(one.max()) + 1 for one in people[:-1])])
    return np.concatenate([one + first for one, first in zip(people, firsts, strict=True)])
