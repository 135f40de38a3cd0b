"""Metrics of parts and heights side by side: how far a network overfits, and where in the head it is right."""

from collections.abc import Sequence

import pandas as pd
from pydantic.dataclasses import dataclass

from core.evaluation.metrics import metrics_of
from core.evaluation.predictions import Predictions
from core.evaluation.scored import scored_table
from core.networks.recipe import Recipe
from core.results import STRICT, Metrics

SHOWN = ("accuracy", "balanced_accuracy", "auc")
BANDS = 4
OVERFITTING = 0.1  # of accuracy, between training people and the upper end of the others' interval


@dataclass(frozen=True, config=STRICT)
class PartMetrics:
    """Some metrics of one part of a split: by slice, and by subject where people are known."""

    part: str
    by_slice: Metrics
    by_subject: Metrics | None


@dataclass(frozen=True, config=STRICT)
class BandMetrics:
    """Some metrics of the slices from the height `lowest` to `highest`, in the units of the table of predictions."""

    lowest: float
    highest: float
    by_slice: Metrics
    by_subject: Metrics | None


def by_part(predictions: Predictions) -> list[PartMetrics]:
    """Return the metrics of each part there are predictions of: training, validation, test."""
    return [PartMetrics(part, *_some(predictions.rows(part), predictions.recipe)) for part in predictions.parts]


def overfitting(parts: Sequence[PartMetrics]) -> list[str]:
    """Warn of a network that is far better on the people it was trained on than on others."""
    found = {one.part: one.by_slice["accuracy"] for one in parts}
    if not {"train", "test"} <= found.keys():
        return []
    train, test = found["train"], found["test"]
    if train.value - test.high < OVERFITTING:
        return []
    return [
        f"It overfits: accuracy {train.value:.2f} on the slices of its training people, {test.value:.2f} (95 % "
        f"{test.low:.2f} to {test.high:.2f}) on those it is tested on."
    ]


def by_height(predictions: Predictions) -> list[BandMetrics]:
    """Return the metrics of slices from the lowest to the highest quarter; none where heights are not known."""
    rows = predictions.asked
    heights = pd.to_numeric(rows.get("slice", pd.Series(dtype=float)), errors="coerce")
    if predictions.recipe.depth is not None or heights.isna().any() or heights.nunique() < BANDS:
        return []
    bands = pd.qcut(heights, BANDS, labels=False, duplicates="drop")
    found = []
    for band in sorted(set(bands)):
        own = heights[bands == band]
        some = _some(rows[bands == band].reset_index(drop=True), predictions.recipe)
        found.append(BandMetrics(float(own.min()), float(own.max()), *some))
    return found


def _some(rows: pd.DataFrame, recipe: Recipe) -> tuple[Metrics, Metrics | None]:
    by_slice, by_subject = metrics_of(scored_table(rows, recipe))
    return by_slice.some(SHOWN), None if by_subject is None else by_subject.some(SHOWN)
