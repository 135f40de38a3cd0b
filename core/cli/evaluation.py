"""Verbs that measure what networks say: runs, cross-validations, and bundles asked about a split."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.shared import EVALUATE, AgedFrom, AsJson, Coverage, SubjectTable, UnknownAge, show, writable
from core.cli.silenced import silenced_startup

commands = typer.Typer()

Target = Annotated[str, typer.Argument(help="Folder of a run or cross-validation; with --split, a bundle.")]
Split = Annotated[Path | None, typer.Option(help="Table that a bundle is asked about; a run has its own.")]
Beside = Annotated[list[Path] | None, typer.Option(help="Folder of another run, for --people; may be repeated.")]


@commands.command(rich_help_panel=EVALUATE)
def evaluate(
    target: Target,
    split: Split = None,
    part: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    people: SubjectTable = None,
    aged_from: AgedFrom = 60,
    unknown_age: UnknownAge = None,
    beside: Beside = None,
    coverage: Coverage = 0.9,
    as_json: AsJson = False,
) -> None:
    """Measure by slice and by person; with a table of people, beside what their age alone achieves."""
    if split is None and part != "test":
        raise typer.BadParameter("a run is evaluated on its test part; give a bundle and --split", param_hint="--part")
    if beside and people is None:
        raise typer.BadParameter("networks stand side by side for people whose age is known", param_hint="--people")
    with silenced_startup():
        from core.evaluation.confounder_analysis import known_subjects, standing
        from core.evaluation.evaluation import evaluate as measure
        from core.evaluation.predictions import predictions_for, predictions_of_run
        from core.reporting.text.evaluation import (
            calibration_text,
            confounder_text,
            metrics_text,
            sets_text,
            standing_text,
            subgroup_text,
        )

    known = known_subjects(people, aged_from=aged_from, unknown_age=unknown_age)
    others = [predictions_of_run(one) for one in beside or []]
    values = measure(predictions_for(target, split, part=part), known, coverage=coverage, beside=others)
    words = [f"{values['model']} on the {values['part']} part", metrics_text(values), subgroup_text(values)]
    if values["calibration"] is not None:
        words += [calibration_text(values["calibration"]), sets_text(values["prediction_sets"])]
    if values["confounders"] is not None:
        words += [standing_text(standing(values))] if others else []
        words.append(confounder_text(values["confounders"]))
    show(values, as_json, "\n".join([*words, *(f"WARNING: {warning}" for warning in values["warnings"])]))


@commands.command(rich_help_panel=EVALUATE)
def report(
    target: Target,
    split: Split = None,
    out: Annotated[Path, typer.Option(help="The HTML file to write; it needs nothing else.")] = Path("report.html"),
    people: SubjectTable = None,
    aged_from: AgedFrom = 60,
    unknown_age: UnknownAge = None,
    beside: Beside = None,
    coverage: Coverage = 0.9,
) -> None:
    """Write figures, curves, calibration, confounders and worst errors as one page with interactive plots."""
    writable(out)
    if beside and people is None:
        raise typer.BadParameter("networks stand side by side for people whose age is known", param_hint="--people")
    with silenced_startup():
        from core.evaluation.confounder_analysis import known_subjects
        from core.evaluation.predictions import predictions_for, predictions_of_run
        from core.reporting.evaluation_report import write_report

    known = known_subjects(people, aged_from=aged_from, unknown_age=unknown_age)
    others = [predictions_of_run(one) for one in beside or []]
    write_report(predictions_for(target, split), out, known, coverage=coverage, beside=others)
    print(f"written to {out}")


@commands.command(rich_help_panel=EVALUATE)
def compare(
    first: Target,
    second: Annotated[str, typer.Argument(help="Another, tested on the same scans.")],
    split: Split = None,
    plot: Annotated[Path | None, typer.Option(help="Write the differences as a self-contained HTML.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether one network is better than another on the same people: two runs, or with --split two bundles."""
    with silenced_startup():
        from core.evaluation.network_comparison import compare as compared_with
        from core.evaluation.network_comparison import differences
        from core.evaluation.predictions import predictions_for
        from core.reporting.plots.evaluation import forest
        from core.reporting.text.evaluation import comparison_text

    if plot is not None:
        writable(plot)
    compared = compared_with(predictions_for(first, split), predictions_for(second, split))
    rows = differences(compared)
    if plot is not None:
        forest(rows, axis=f"to the right: {compared['networks'][0]} is better").write_html(plot, include_plotlyjs=True)
    warnings = "".join(f"\nWARNING: {warning}" for warning in compared["warnings"])
    show(compared, as_json, comparison_text(compared, rows) + warnings)
