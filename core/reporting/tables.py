"""Cards as tables for a page."""

from typing import Any

import pandas as pd

METRIC_TITLES = {
    "accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "f1": "F1", "precision": "Precision",
    "specificity": "Specificity", "auc": "Area under ROC (macro)", "auc_impaired": "Area, impaired or not",
    "kappa": "Kappa, quadratic", "stage_error": "Mean error in stages", "brier": "Brier score", "log_loss": "Log loss",
}  # fmt: skip
HEADLINE = ("accuracy", "balanced_accuracy", "auc")


def metrics_table(card: dict[str, Any]) -> pd.DataFrame:
    """Put the ways of counting side by side, each figure with its 95 % interval over people.

    Args:
        card: The values of a card.

    Returns:
        A row a figure; columns for unseen people (by person, by slice) and, if measured, the published protocol.
    """
    columns = {"Unseen people": card["by_subject"], "Unseen people, by slice": card["by_slice"]}
    if card["published_protocol"]:
        columns["Published protocol, by slice"] = card["published_protocol"]["by_slice"]
    rows = [
        {"": METRIC_TITLES[key], **{name: cell(metrics, key) for name, metrics in columns.items()}} for key in HEADLINE
    ]
    counted = {name: "–" if metrics is None else _counted(metrics) for name, metrics in columns.items()}
    return pd.DataFrame([*rows, {"": "Counted", **counted}])


def uncertainty_tiles(card: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Say how far to believe a bundle in a few figures.

    Args:
        card: The values of a card.

    Returns:
        Title, figure and explanation of each; none for a bundle that was never calibrated.
    """
    tiles = []
    measured = (card.get("calibration") or {}).get("measured")
    if measured:
        errors = measured["errors"].get("by_subject") or next(iter(measured["errors"].values()))
        before, (low, high) = errors["as_is"]["error"], errors["temperature"]["interval"]
        said = (
            f"By person, 95 % {low:.3f} to {high:.3f}; {before:.3f} before a temperature was fitted on validation "
            "people. 0 would mean that 80 % is right 80 % of the time."
        )
        tiles.append(("Calibration error", f"{errors['temperature']['error']:.3f}", said))
        sets = measured["sets_by_subject"]
        if sets is not None:
            low, high = sets["interval"]
            said = (
                f"Of unseen people, 95 % {low:.0%} to {high:.0%}; promised {sets['wanted']:.0%}, with "
                f"{sets['size']:.1f} classes left."
            )
            tiles.append(("Truth not ruled out", f"{sets['coverage']:.0%}", said))
    ood = card.get("ood")
    if ood is not None:
        unseen, (low, high) = ood["unseen"], ood["unseen"]["interval"]
        said = f"Of {unseen['scans']:,} scans of people it was not trained on, 95 % {low:.1%} to {high:.1%}."
        tiles.append(("Unseen scans refused", f"{unseen['fraction']:.1%}", said))
        if ood["ood_rejection"]:
            kinds = ood["ood_rejection"]
            count = sum(one["n"] for one in kinds.values())
            rejected = sum(one["n"] * one["rejected"] for one in kinds.values()) / count
            tiles.append(("Foreign pictures refused", f"{rejected:.0%}", f"Of {count}: {', '.join(kinds)}."))
    return tiles


def runs_table(cards: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Put finished runs side by side: how they were split, and their figures on the test part.

    Args:
        cards: Name of the run to its card.
    """
    rows = []
    for name, card in cards.items():
        metrics = card["by_subject"] or card["by_slice"]
        unit = "subject" if card["by_subject"] else "slice"
        values = {METRIC_TITLES[key]: cell(metrics, key) for key in HEADLINE}
        rows.append({"Run": name, "Recipe": card["name"], "Split": card["split"]["by"], "Counted by": unit, **values})
    return pd.DataFrame(rows)


def cell(metrics: dict[str, Any] | None, key: str) -> str:
    """Write a figure with its interval; a dash where it is undefined or was not measured."""
    if metrics is None or metrics.get(key) is None:
        return "–"
    low, high = metrics["intervals"][key]
    return f"{metrics[key]:.3f} ({low:.3f} to {high:.3f})"


def _counted(metrics: dict[str, Any]) -> str:
    people = f"{metrics['people']:,} people"
    return people if metrics["unit"] == "subject" else f"{metrics['n']:,} {metrics['unit']}s of {people}"
