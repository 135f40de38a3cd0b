"""What a network said of people it is tested on, measured: figures, calibration, confounders, parts and heights."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from core.evaluation.confounder_analysis import Subjects, confounder_analysis, metrics_by_unit
from core.evaluation.fold_calibration import calibration_of, sets_of
from core.evaluation.predictions import Predictions, predictions_of_bundle
from core.evaluation.subgroups import by_height, by_part, overfitting
from core.networks.card import Bundle
from core.runs.folder import logits_in


def evaluate(
    predictions: Predictions,
    people: Subjects | None = None,
    *,
    coverage: float = 0.9,
    beside: Sequence[Predictions] = (),
) -> dict[str, Any]:
    """Measure what a network said.

    Args:
        predictions: What it said.
        people: What is known of the people, to hold against the figures; None for nothing.
        coverage: Of the prediction sets.
        beside: Other networks whose figures for everybody and for those of an age stand beside this one's; they need
            `people`.

    Returns:
        Plain values: `model`, `part`, `split`, `by_slice` and `by_subject` (null where people are not known), `by_part`,
        `by_height`, `calibration` and `prediction_sets` (null without validation people), `confounders` (null without
        `people`), `beside`, and `warnings`.

    Raises:
        StageLensError: As raised by `core.evaluation.confounder_analysis.confounder_analysis`.
    """
    recipe, rows = predictions.recipe, predictions.asked
    labels, logits = logits_in(rows, recipe)
    parts = by_part(predictions)
    against = None if people is None else _confounders(predictions, people)
    calibrated = predictions.own_split and predictions.part == "test"
    return {
        "model": predictions.name, "part": predictions.part, "split": predictions.split,
        **metrics_by_unit(labels, logits, rows["subject"].to_numpy(str), recipe.as_task()),
        "by_part": parts, "by_height": by_height(predictions),
        "calibration": calibration_of(predictions.folds, recipe) if calibrated else None,
        "prediction_sets": sets_of(predictions.folds, recipe, coverage=coverage) if calibrated else None,
        "confounders": against,
        "beside": [] if people is None else [{"model": one.name, **_confounders(one, people)} for one in beside],
        "warnings": [*predictions.warnings, *overfitting(parts), *(against["warnings"] if against else [])],
    }  # fmt: skip


def evaluate_bundle(
    bundle: Bundle, split: pd.DataFrame, *, part: str = "test", people: Subjects | None = None
) -> dict[str, Any]:
    """Evaluate a bundle on one part of a split; arguments as for `core.evaluation.predictions.predictions_of_bundle`, return and
    errors as for `evaluate`. The warnings say so when the bundle may have been trained on these people.
    """
    return evaluate(predictions_of_bundle(bundle, split, part=part), people)


def _confounders(predictions: Predictions, people: Subjects) -> dict[str, Any]:
    rows = predictions.asked
    labels, logits = logits_in(rows, predictions.recipe)
    subjects = rows["subject"].to_numpy(str)
    return confounder_analysis(people, rows["path"].tolist(), labels, logits, subjects, predictions.recipe.as_task())
