"""Cards as tables for a page."""

from collections.abc import Mapping

import pandas as pd

from core.networks.card import Card
from core.reporting.text.evaluation import scans_of
from core.reporting.text.numbers import percent, with_interval
from core.reporting.text.verdict import split_words
from core.results import Estimate, Metrics
from core.words import people

METRIC_TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "f1": "F1",
    "precision": "Precision",
    "specificity": "Specificity",
    "auc": "AUC (macro)",
    "auc_impaired": "AUC, impaired or not",
    "kappa": "Kappa, quadratic",
    "stage_error": "Mean error in stages",
    "brier": "Brier score",
    "log_loss": "Log loss",
}
HEADLINE = ("accuracy", "balanced_accuracy", "auc")


def metrics_table(card: Card) -> pd.DataFrame:
    """Put the ways of counting side by side, each metric with its 95 % interval over people.

    Returns:
        A row a metric; columns for the ways of counting and, if measured, the published protocol. Only where nobody
        is in two parts are they called those of unseen people.
    """
    whose = "Unseen people" if card.split.unseen_people else f"Split {split_words(card.split)}"
    columns: dict[str, Metrics | None] = {
        f"{whose}, counted by subject": card.by_subject,
        f"{whose}, counted by slice": card.by_slice,
    }
    if card.published_protocol is not None:
        columns["Published protocol, counted by slice"] = card.published_protocol.by_slice
    rows = [
        {"": METRIC_TITLES[key], **{name: cell(metrics, key) for name, metrics in columns.items()}} for key in HEADLINE
    ]
    counted = {name: "–" if metrics is None else _counted(metrics) for name, metrics in columns.items()}
    return pd.DataFrame([*rows, {"": "Counted", **counted}])


def uncertainty_tiles(card: Card) -> list[tuple[str, str, str]]:
    """Say how far to believe a bundle in a few numbers.

    Returns:
        Title, number and explanation of each; none for a bundle that was never calibrated.
    """
    tiles = []
    measured = card.calibration.measured if card.calibration is not None else None
    if measured is not None and measured.errors:
        errors = measured.errors.get("by_subject") or next(iter(measured.errors.values()))
        before, after = errors["as_is"].error, errors["temperature"].error
        said = (
            f"By subject, with its 95 % interval: {with_interval(after)}; {before.value:.3f} before a temperature "
            "was fitted on validation people. 0 would mean that 80 % is right 80 % of the time."
        )
        tiles.append(("Calibration error", f"{after.value:.3f}", said))
        sets = measured.sets_by_subject
        if sets is not None:
            said = (
                f"Of unseen people: {percent(sets.coverage, digits=0)}; nominal coverage {100 * sets.nominal:.0f} %, "
                f"{sets.size:.1f} classes in the list."
            )
            tiles.append(("True class in the list", f"{100 * sets.coverage.value:.0f} %", said))
    if card.ood is not None:
        unseen = card.ood.unseen
        said = f"Of {unseen.scans:,} {scans_of(unseen.part, card.split)}: {percent(unseen.rejected)}."
        tiles.append(("Real scans wrongly rejected", f"{100 * unseen.rejected.value:.1f} %", said))
        if card.ood.kinds:
            kinds = card.ood.kinds
            count = sum(one.n for one in kinds.values())
            rejected = sum(one.n * one.rejected for one in kinds.values()) / count
            said = f"Of {count}: {', '.join(kinds)}."
            tiles.append(("Images of other kinds rejected", f"{100 * rejected:.0f} %", said))
    return tiles


def runs_table(cards: Mapping[str, Card]) -> pd.DataFrame:
    """Put finished runs side by side: how they were split, and their metrics on the test part.

    Args:
        cards: Name of the run to its card.
    """
    rows = []
    for name, card in cards.items():
        values = {METRIC_TITLES[key]: cell(card.metrics, key) for key in HEADLINE}
        counted = card.metrics.unit
        unseen = "yes" if card.split.unseen_people else "no" if card.split.people else "not known"
        split = {"Split": split_words(card.split), "People unseen": unseen, "Counted by": counted}
        rows.append({"Run": name, "Recipe": card.name, **split, **values})
    return pd.DataFrame(rows)


def cell(metrics: Metrics | None, key: str) -> str:
    """Write a metric with its interval; a dash where it is undefined or was not measured."""
    undefined = Estimate(float("nan"), float("nan"), float("nan"))
    return with_interval(undefined if metrics is None else metrics.estimates.get(key, undefined))


def _counted(metrics: Metrics) -> str:
    return people(metrics.people) if metrics.unit == "subject" else f"{metrics.n:,} slices of {people(metrics.people)}"
