"""Two networks on the same people: which is better, and can that be said at all?"""

from typing import Any

import numpy as np

from core.errors import StageLensError
from core.evaluation.comparison import accuracy_difference, compare_auc, compare_decisions
from core.evaluation.metrics import subject_level, subject_metrics, subject_numbers
from core.evaluation.predictions import Predictions
from core.evaluation.threshold import impaired_score
from core.runs.folder import logits_in

DIFFERENCES = {
    "accuracy_by_slice": "Accuracy, slices",
    "accuracy_by_subject": "Accuracy, people",
    "impaired_by_subject": "Impaired or not, area, people",
}


def compare(first: Predictions, second: Predictions) -> dict[str, Any]:
    """Compare what two networks said of the scans that both were tested on.

    Returns:
        Plain values: `networks`, two names; `scans`, `people` and `left_out` (tested by one only); `warnings`; `first`
        and `second` with accuracy and areas by person; `accuracy_by_slice` and, where people are known,
        `accuracy_by_subject` (each a difference, first less second, with its interval over people),
        `decisions_by_subject` (McNemar) and, for stages, `impaired_by_subject` (DeLong).

    Raises:
        StageLensError: They answer different questions, or were tested on no scan in common.
    """
    recipes = [first.recipe, second.recipe]
    if recipes[0].task != recipes[1].task:
        raise StageLensError(f"{recipes[0].name} and {recipes[1].name} answer different questions.")
    tables = [one.asked.set_index("path") for one in (first, second)]
    tested = sum(len(table) for table in tables)
    common = tables[0].index.intersection(tables[1].index)
    if common.empty:
        raise StageLensError("the two were tested on no scan in common.")
    tables = [table.loc[common] for table in tables]
    labels = logits_in(tables[0], recipes[0])[0]
    logits = [logits_in(table, recipe)[1] for table, recipe in zip(tables, recipes, strict=True)]
    subjects = tables[0]["subject"].to_numpy(str)
    people = subject_numbers(subjects)
    right = [values.argmax(axis=1) == labels for values in logits]
    compared: dict[str, Any] = {
        "networks": [first.name, second.name],
        "scans": len(common),
        "people": len(set(subjects)) if (subjects != "").all() else None,
        "left_out": tested - 2 * len(common),
        "warnings": list(dict.fromkeys([*first.warnings, *second.warnings])),
        "accuracy_by_slice": accuracy_difference(right[0], right[1], people).as_dict("difference"),
    }
    if (subjects == "").any():
        return compared
    task = recipes[0].as_task()
    means = [subject_level(labels, values, people) for values in logits]
    truth = means[0][0]
    decided = [values.argmax(axis=1) == truth for _, values in means]
    everyone = np.arange(len(truth))
    for name, values in zip(("first", "second"), logits, strict=True):
        metrics = subject_metrics(labels, values, subjects, task.classes, ordered=task.ordered)
        assert metrics is not None  # noqa: S101 - people are known
        plain = metrics.as_dict()
        compared[name] = {key: plain[key] for key in ("accuracy", "balanced_accuracy", "auc", "intervals")}
    compared["accuracy_by_subject"] = accuracy_difference(decided[0], decided[1], everyone).as_dict("difference")
    compared["decisions_by_subject"] = compare_decisions(decided[0], decided[1]).as_dict()
    if task.ordered and 0 < (truth > 0).sum() < len(truth):
        scores = [impaired_score(values) for _, values in means]
        aucs = compare_auc(truth > 0, scores[0], scores[1])
        compared["impaired_by_subject"] = aucs.as_dict() | aucs.difference.as_dict("difference")
    return compared


def differences(compared: dict[str, Any]) -> list[tuple[str, float, float, float]]:
    """Return title, difference and interval of what was compared, for a forest plot."""
    return [(title, compared[key]["difference"], *compared[key]["interval"])
            for key, title in DIFFERENCES.items() if key in compared]  # fmt: skip
