"""How far probabilities can be taken at their word, before and after a scaling learned on validation people; and
prediction sets. Each fold is fitted on its own validation people and measured on its own test people.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from core.evaluation.calibration import Scaling, calibration_error, fit_temperature, fit_vector_scaling
from core.evaluation.conformal import measured_sets, prediction_sets
from core.evaluation.scored import Scored, scored_table
from core.networks.recipe import Recipe
from core.results import FoldCalibration, PredictionSets, Scaled, UnitCalibration

Fit = Callable[[NDArray[np.floating], NDArray[np.int64], NDArray[np.int64]], Scaling]
FITS: dict[str, Fit | None] = {"as_is": None, "temperature": fit_temperature, "vector": fit_vector_scaling}


@dataclass(frozen=True, eq=False)
class _Counted:
    """Labels (N), logits (N × classes) and people (N numbers from 0) of slices, or of subjects."""

    labels: NDArray[np.int64]
    logits: NDArray[np.floating]
    people: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Fold:
    """What a fold is fitted on, and what it is measured on."""

    val: _Counted
    test: _Counted


def calibration_of(tables: Sequence[pd.DataFrame], recipe: Recipe) -> FoldCalibration | None:
    """Calibrate each fold on its validation people and measure on its test people.

    Args:
        tables: Predictions, one table a fold, as `core.runs.folder.read_predictions` gives them.
        recipe: Whose classes.

    Returns:
        Calibration by slice and by subject; None without validation people, or where people are in several parts.
    """
    if not _can_be_calibrated(tables):
        return None
    return FoldCalibration(
        by_slice=_measured(_folds(tables, recipe, _slices)), by_subject=_measured(_folds(tables, recipe, _subjects))
    )


def sets_of(tables: Sequence[pd.DataFrame], recipe: Recipe, *, coverage: float) -> PredictionSets | None:
    """Give each test person a prediction set, by the validation people of their fold.

    Args:
        tables: As for `calibration_of`.
        recipe: Whose classes.
        coverage: Nominal: how often the true class is to be in the set.

    Returns:
        How they fare; None without validation people, or where people are in several parts.
    """
    if not _can_be_calibrated(tables):
        return None
    sets, labels, alone = [], [], set(range(len(recipe.classes)))
    for fold in _folds(tables, recipe, _subjects):
        known, asked = (softmax(part.logits, axis=1) for part in (fold.val, fold.test))
        found, own = prediction_sets(known, fold.val.labels, asked, coverage=coverage)
        sets.append(found)
        labels.append(fold.test.labels)
        alone &= set(own)
    measured = measured_sets(np.concatenate(sets), np.concatenate(labels), recipe.classes, nominal=coverage)
    return replace(measured, calibrated_alone=tuple(recipe.classes[index] for index in sorted(alone)))


def _can_be_calibrated(tables: Sequence[pd.DataFrame]) -> bool:
    """Tell whether each fold has people to be fitted on and others to be measured on, and nobody is in two parts."""
    known = (pd.concat(tables)["subject"] != "").all()
    apart = all((table.groupby("subject")["part"].nunique() == 1).all() for table in tables)
    return bool(known) and apart and all({"val", "test"} <= set(table["part"]) for table in tables)


def _folds(tables: Sequence[pd.DataFrame], recipe: Recipe, count: Callable[[Scored], _Counted]) -> list[_Fold]:
    return [
        _Fold(*(count(scored_table(table[table["part"] == part], recipe)) for part in ("val", "test")))
        for table in tables
    ]


def _slices(scored: Scored) -> _Counted:
    return _Counted(scored.labels, scored.logits, scored.people)


def _subjects(scored: Scored) -> _Counted:
    labels, logits = scored.by_subject()
    return _Counted(labels, logits, np.arange(len(labels)))


def _measured(folds: list[_Fold]) -> UnitCalibration:
    return UnitCalibration(
        fitted_on_people=sum(len(np.unique(fold.val.people)) for fold in folds),
        measured_on_people=sum(len(np.unique(fold.test.people)) for fold in folds),
        scalings={name: _scaled(folds, fit) for name, fit in FITS.items()},
    )


def _scaled(folds: list[_Fold], fit: Fit | None) -> Scaled:
    scalings = [None if fit is None else fit(fold.val.logits, fold.val.labels, fold.val.people) for fold in folds]
    labels = np.concatenate([fold.test.labels for fold in folds])
    people = _apart([fold.test.people for fold in folds])
    logits = np.concatenate(
        [
            fold.test.logits if scaling is None else scaling(fold.test.logits)
            for fold, scaling in zip(folds, scalings, strict=True)
        ]
    ).astype(np.float64)
    error, bins = calibration_error(softmax(logits, axis=1), labels, people)
    temperatures = [scaling.temperature for scaling in scalings if scaling is not None]
    return Scaled(
        error=error,
        log_loss=float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()),
        reliability=tuple(bins),
        temperatures=tuple(one for one in temperatures if one is not None),
    )


def _apart(people: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Number the people of several folds through."""
    firsts = np.cumsum([0, *(int(one.max()) + 1 for one in people[:-1])])
    return np.concatenate([one + first for one, first in zip(people, firsts, strict=True)])
