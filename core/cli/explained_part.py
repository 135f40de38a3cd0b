"""`stagelens explain --split`: the heatmaps of a whole part of a split."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from core.cli.progress import each_shown
from core.cli.shared import show
from core.errors import StageLensError

if TYPE_CHECKING:
    from core.networks.bundle import Bundle


@dataclass(frozen=True)
class Asked:
    """What is to be explained.

    Attributes:
        split: The table.
        part: train, val or test.
        method: Name of the method.
        class_name: None for each scan's predicted class.
        checks: Of each heatmap.
        at_most: So many scans.
        settings: Of the method.
    """

    split: Path
    part: str
    method: str
    class_name: str | None
    checks: tuple[str, ...]
    at_most: int | None
    settings: dict[str, Any]


def refuse_given(options: dict[str, object]) -> None:
    """Refuse options that are of single scans.

    Args:
        options: What was given for each; nothing, None or False where it was left out.
    """
    for name, value in options.items():
        if value:
            raise typer.BadParameter("it is of single scans, and not of a part of a split", param_hint=name)


def explain_split(bundle: "Bundle", asked: Asked, out: Path, *, as_json: bool) -> None:
    """Explain a part of a split, write what was found, and print what the heatmaps have in common.

    Args:
        bundle: The network.
        asked: What is to be explained.
        out: Folder for the files.
        as_json: Print JSON for machines.

    Raises:
        StageLensError: The split has no such part; and as raised by the rooms below.
    """
    from core.cohorts import read_split

    table = read_split(asked.split)
    asked = replace(asked, part=asked.part.strip().lower())
    if not (table["part"] == asked.part).any():
        known = ", ".join(sorted(set(table["part"])))
        raise StageLensError(f"{asked.split} has no {asked.part} part; its parts are {known}.")
    from core.cohorts.split_summary import describe_split
    from core.evaluation.predictions import split_warnings
    from core.reporting.pictures.part import save_part
    from core.reporting.text.explanations import part_text, part_values
    from core.workflows.explain.part import explain_part
    from core.workflows.predict import predictor_of

    found = explain_part(
        predictor_of(bundle.folder),
        table,
        asked.part,
        asked.method,
        class_name=asked.class_name,
        checks=asked.checks,
        at_most=asked.at_most,
        settings=asked.settings,
        progress=each_shown,
    )
    files = {kind: str(path) for kind, path in save_part(found, out).items()}
    warnings = split_warnings(bundle, describe_split(table), asked.part)
    lines = [part_text(found, asked.class_name), *(f"WARNING: {one}" for one in warnings), *files.values()]
    values = {"model": bundle.name, **part_values(found), "warnings": list(warnings), "files": files}
    show(values, as_json, "\n".join(lines))
    if not found.means and not any(found.explanations):
        raise typer.Exit(1)
