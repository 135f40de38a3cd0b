"""Figures of parts and heights side by side: what is known by heart, and where in the head the network is right."""

from typing import Any

import pandas as pd

from core.evaluation.confounder_analysis import metrics_by_unit
from core.evaluation.predictions import Predictions
from core.runs.folder import logits_in

SHOWN = ("accuracy", "balanced_accuracy", "auc")
BANDS = 4
OVERFITTING = 0.1  # of accuracy, between training people and the upper end of the others' interval


def by_part(predictions: Predictions) -> list[dict[str, Any]]:
    """Return the figures of each part there are predictions of: training, validation, test."""
    return [{"part": part, **_short(predictions, predictions.rows(part))} for part in predictions.parts]


def overfitting(parts: list[dict[str, Any]]) -> list[str]:
    """Warn of a network that is far better on the people it was trained on than on others."""
    found = {one["part"]: one["by_slice"] for one in parts}
    if not {"train", "test"} <= found.keys():
        return []
    train, test = found["train"], found["test"]
    low, high = test["intervals"]["accuracy"]
    if train["accuracy"] - high < OVERFITTING:
        return []
    return [
        f"It knows its training people by heart: accuracy {train['accuracy']:.2f} on their slices, "
        f"{test['accuracy']:.2f} (95 % {low:.2f} to {high:.2f}) on those it is tested on."
    ]


def by_height(predictions: Predictions) -> list[dict[str, Any]]:
    """Return the figures of slices from the lowest to the highest quarter; none where heights are not known."""
    rows = predictions.asked
    heights = pd.to_numeric(rows.get("slice", pd.Series(dtype=float)), errors="coerce")
    if predictions.recipe.depth is not None or heights.isna().any() or heights.nunique() < BANDS:
        return []
    bands = pd.qcut(heights, BANDS, labels=False, duplicates="drop")
    found = []
    for band in sorted(set(bands)):
        own = heights[bands == band]
        found.append({"lowest": float(own.min()), "highest": float(own.max()),
                      **_short(predictions, rows[bands == band].reset_index(drop=True))})  # fmt: skip
    return found


def _short(predictions: Predictions, rows: pd.DataFrame) -> dict[str, Any]:
    labels, logits = logits_in(rows, predictions.recipe)
    whole = metrics_by_unit(labels, logits, rows["subject"].to_numpy(str), predictions.recipe.as_task())
    return {unit: None if values is None else _some(values) for unit, values in whole.items()}


def _some(values: dict[str, Any]) -> dict[str, Any]:
    return {
        "n": values["n"], "people": values["people"], **{key: values[key] for key in SHOWN},
        "intervals": {key: values["intervals"][key] for key in SHOWN},
    }  # fmt: skip
