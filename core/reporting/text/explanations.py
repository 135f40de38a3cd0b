"""The heatmaps of a part of a split as text."""

from typing import Any

from core.explain import explainer
from core.explain.part import ExplainedPart
from core.plain import number_or_none
from core.reporting.text.numbers import percent, with_interval
from core.results import write
from core.words import counted, people

OWN_CLASS = "each scan's predicted class"


def part_text(found: ExplainedPart, class_name: str | None = None) -> str:
    """Say what the heatmaps of a part have in common: for each explained class, how far they hold, and stability.

    Args:
        found: The heatmaps.
        class_name: The class that was asked for; None where it is each scan's predicted one.
    """
    table = found.table
    whose = set(table["subject"]) - {""}
    scans = f"{counted(len(table), 'scan')} of {people(len(whose)) if whose else 'unknown people'}"
    explained = table[table["explained_class"].notna()]
    by_class = _by_class(found)
    shown = next(iter(explained["explained_class"]), class_name) if class_name else OWN_CLASS
    how = f"{explainer(found.method).title} of {len(explained):,} of them" if len(explained) else "none explained"
    lines = [f"{scans} of the {found.part} part; {how}{f' for {shown}' if len(explained) else ''}"]
    if len(explained):
        width = max(map(len, by_class))
        lines.append(f"  {'':<{width}}  scans  of that label  empty  unreliable  evidence in the dark  half of it in")
        lines += [_class_line(name, own, width) for name, own in by_class.items()]
    rejected = int(table["rejected"].sum())
    if rejected:
        left = "" if len(explained) == len(table) else " and not explained"
        lines.append(f"{counted(rejected, 'scan is', 'scans are')} too different from the training scans{left}")
    if found.stable is not None and found.held is not None and found.steadiness:
        over = "people" if whose else "scans, as people are not known"
        lines.append(f"stable heatmaps: {percent(found.stable)}")
        lines.append(f"scans whose predicted class no change moved: {percent(found.held)}")
        lines.append(f"  mean structural similarity (SSIM) with the unchanged scan's, 95 % interval over {over}:")
        width = max(len(one.title) for one in found.steadiness.values())
        lines += [
            f"  {one.title:<{width}}  {with_interval(one.measures['ssim'])}, meaningless maps {one.null['ssim']:.3f}"
            for one in found.steadiness.values()
        ]
    if "deletion_auc" in table:
        for name in ("deletion", "insertion"):
            value, random = table[f"{name}_auc"].mean(), table[f"{name}_random"].mean()
            lines.append(f"mean {name} AUC {value:.3f} (random {random:.3f})")
    return "\n".join(lines)


def part_values(found: ExplainedPart) -> dict[str, Any]:
    """Return the same as plain values for JSON; what is known of each scan is in the table that is written."""
    return {
        "part": found.part,
        "method": found.method,
        "scans": len(found.table),
        "rejected": int(found.table["rejected"].sum()),
        "classes": _by_class(found),
        "stable": None if found.stable is None else write(found.stable),
        "class_held": None if found.held is None else write(found.held),
        "stability": {
            name: {
                "change": one.title,
                **{measure: write(value) for measure, value in one.measures.items()},
                "null": {measure: number_or_none(value) for measure, value in one.null.items()},
            }
            for name, one in found.steadiness.items()
        },
    }


def _by_class(found: ExplainedPart) -> dict[str, dict[str, Any]]:
    """Count the scans that were explained for each class, in the classes' order, and average what their maps show."""
    table = found.table
    classes = [column.removeprefix("p ") for column in table if column.startswith("p ")]
    values = {}
    for name in classes:
        own = table[table["explained_class"] == name]
        if own.empty:
            continue
        empty = own["empty"].astype(bool)
        shown = own[~empty]
        values[name] = {
            "scans": len(own),
            "of_that_label": int((own["label"] == name).sum()),
            "empty": int(empty.sum()),
            "unreliable": int((shown["failed_checks"] != "").sum()),
            **{
                measure: number_or_none(shown[measure].astype(float).mean())
                for measure in ("background_evidence", "background", "half_mass_fraction")
            },
        }
    return values


def _class_line(name: str, own: dict[str, Any], width: int) -> str:
    dark, half = "–", "–"
    if own["background_evidence"] is not None:
        dark = f"{100 * own['background_evidence']:.0f} % (in {100 * own['background']:.0f} %)"
        half = f"{100 * own['half_mass_fraction']:.0f} %"
    return (
        f"  {name:<{width}}  {own['scans']:>5}  {own['of_that_label']:>13}  {own['empty']:>5}  {own['unreliable']:>10}"
        f"  {dark:>20}  {half:>13}"
    )
