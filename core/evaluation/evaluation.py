"""What a network said of people it is tested on, measured: figures, calibration, confounders, parts and heights."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from core.evaluation.confounder_analysis import People, figures_of, held_against
from core.evaluation.fold_calibration import calibration_of, sets_of
from core.evaluation.predictions import Answers, answers_of_bundle
from core.evaluation.subgroups import by_heart, by_height, by_part
from core.networks.card import Bundle
from core.runs.folder import logits_in


def evaluate(
    answers: Answers, people: People | None = None, *, coverage: float = 0.9, beside: Sequence[Answers] = ()
) -> dict[str, Any]:
    """Measure what a network said.

    Args:
        answers: What it said.
        people: What is known of the people, to hold against the figures; None for nothing.
        coverage: Of the prediction sets.
        beside: Other networks whose figures for everybody and for those of an age stand beside this one's; they need
            `people`.

    Returns:
        Plain values: `model`, `part`, `split`, `by_slice` and `by_person` (null where people are not known), `by_part`,
        `by_height`, `calibration` and `prediction_sets` (null without validation people), `confounders` (null without
        `people`), `beside`, and `warnings`.

    Raises:
        StageLensError: As raised by `core.evaluation.confounder_analysis.held_against`.
    """
    recipe, rows = answers.recipe, answers.asked
    labels, logits = logits_in(rows, recipe)
    parts = by_part(answers)
    against = None if people is None else _against(answers, people)
    believed = answers.own_split and answers.part == "test"
    return {
        "model": answers.name, "part": answers.part, "split": answers.split,
        **figures_of(labels, logits, rows["subject"].to_numpy(str), recipe.as_task()),
        "by_part": parts, "by_height": by_height(answers),
        "calibration": calibration_of(answers.folds, recipe) if believed else None,
        "prediction_sets": sets_of(answers.folds, recipe, coverage=coverage) if believed else None,
        "confounders": against,
        "beside": [] if people is None else [{"model": one.name, **_against(one, people)} for one in beside],
        "warnings": [*answers.warnings, *by_heart(parts), *(against["warnings"] if against else [])],
    }  # fmt: skip


def evaluate_bundle(
    bundle: Bundle, split: pd.DataFrame, *, part: str = "test", people: People | None = None
) -> dict[str, Any]:
    """Evaluate a bundle on one part of a split; arguments as for `core.evaluation.predictions.answers_of_bundle`, return and
    errors as for `evaluate`. The warnings say so when the bundle may have been trained on these people.
    """
    return evaluate(answers_of_bundle(bundle, split, part=part), people)


def _against(answers: Answers, people: People) -> dict[str, Any]:
    rows = answers.asked
    labels, logits = logits_in(rows, answers.recipe)
    subjects = rows["subject"].to_numpy(str)
    return held_against(people, rows["path"].tolist(), labels, logits, subjects, answers.recipe.as_task())
