"""Verbs that measure what networks say: runs, cross-validations, and bundles on a split."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.shared import EVALUATE, AgedFrom, AsJson, Coverage, SubjectTable, UnknownAge, people_of, show, writable
from core.errors import StageLensError

commands = typer.Typer()

Target = Annotated[str, typer.Argument(help="Folder of a run or cross-validation; with --split, a bundle.")]
Split = Annotated[Path | None, typer.Option(help="Table whose scans a bundle predicts; a run has its own.")]
Beside = Annotated[list[Path] | None, typer.Option(help="Folder of another run, for --people; may be repeated.")]


@commands.command(rich_help_panel=EVALUATE)
def evaluate(
    target: Target,
    split: Split = None,
    part: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    phase: Annotated[int | None, typer.Option(min=1, help="Of a run: its network as this phase left it.")] = None,
    people: SubjectTable = None,
    aged_from: AgedFrom = 60,
    unknown_age: UnknownAge = None,
    beside: Beside = None,
    coverage: Coverage = 0.9,
    out: Annotated[Path | None, typer.Option(help="Folder for all of it, as tables, JSON and the report.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure by slice and by subject; with a table of people, beside what their age alone achieves."""
    if split is None and part != "test":
        raise typer.BadParameter("a run is evaluated on its test part; give a bundle and --split", param_hint="--part")
    if phase is not None and split is not None:
        raise typer.BadParameter("a phase is of a run, which has its own split", param_hint="--phase")
    if beside and people is None:
        raise typer.BadParameter("networks stand side by side for people whose age is known", param_hint="--people")
    from core.evaluation.evaluation import evaluate as measure
    from core.evaluation.predictions import predictions_for, predictions_of_run
    from core.reporting.class_report import class_report_text
    from core.reporting.evaluation_folder import save_evaluation
    from core.reporting.text.evaluation import (
        calibration_text,
        confounder_text,
        metrics_text,
        sets_text,
        standing_text,
        subgroup_text,
    )
    from core.reporting.text.verdict import split_words

    known = people_of(people, aged_from, unknown_age)
    others = [predictions_of_run(one) for one in beside or []]
    asked = predictions_for(target, split, part=part, phase=phase)
    files: dict[str, Path] = {}
    if out is None:
        found = measure(asked, known, coverage=coverage, beside=others)
    else:
        found, files = save_evaluation(asked, out, known, coverage=coverage, beside=others)
    lines = [f"{found.model} on the {found.part} part", *(f"WARNING: {warning}" for warning in found.warnings)]
    if found.split is not None:
        lines.append(f"split {split_words(found.split)}, seed {found.split.seed}")
    lines += [metrics_text(found), *map(class_report_text, found.by_unit.values()), subgroup_text(found)]
    if found.calibration is not None:
        lines.append(calibration_text(found.calibration))
    if found.prediction_sets is not None:
        lines.append(sets_text(found.prediction_sets))
    if found.confounders is not None:
        lines += [standing_text(found.standing())] if others else []
        lines.append(confounder_text(found.confounders))
    lines += map(str, files.values())
    values = found.as_dict() | ({"files": {kind: str(path) for kind, path in files.items()}} if files else {})
    show(values, as_json, "\n".join(lines))


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
    """Write metrics, curves, calibration, confounders and worst errors as one page with interactive plots."""
    writable(out)
    if beside and people is None:
        raise typer.BadParameter("networks stand side by side for people whose age is known", param_hint="--people")
    from core.evaluation.predictions import predictions_for, predictions_of_run
    from core.reporting.evaluation_report import write_report

    known = people_of(people, aged_from, unknown_age)
    others = [predictions_of_run(one) for one in beside or []]
    write_report(predictions_for(target, split), out, known, coverage=coverage, beside=others)
    print(f"written to {out}")


@commands.command(rich_help_panel=EVALUATE)
def compare(
    targets: Annotated[
        list[str],
        typer.Argument(help="Folders of two or more runs; with --split, two or more bundles; with --phase, one run."),
    ],
    split: Split = None,
    phase: Annotated[int | None, typer.Option(min=1, help="Beside a run: itself, as this phase left it.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the differences as a self-contained HTML.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether one network is better than another on the same people; of several, each against the first.

    A run beside its own first phase shows what came of oversampling: recall of each class, and how many embeddings.
    """
    if phase is not None and (len(targets) > 1 or split is not None):
        raise typer.BadParameter("a phase is of one run; give that run alone", param_hint="--phase")
    if len(targets) < 2 and phase is None:
        raise typer.BadParameter("give two networks or more, tested on the same scans", param_hint="TARGETS")
    if plot is not None and len(targets) > 2:
        raise typer.BadParameter("the differences of two networks are drawn; give two", param_hint="--plot")
    from core.evaluation.comparison import compare as compared_with
    from core.evaluation.predictions import predictions_for
    from core.reporting.class_report import balance_text, recall_text
    from core.reporting.plots.evaluation import forest
    from core.reporting.text.evaluation import comparison_text, networks_text
    from core.runs.folder import balanced_counts

    if plot is not None:
        writable(plot)
    said = [predictions_for(one, split) for one in targets]
    if phase is not None:
        if phase == len(said[0].recipe.phases):
            raise StageLensError(f"phase {phase} is the last of {targets[0]}: it left the run's own network.")
        said.append(predictions_for(targets[0], phase=phase))
    found = [compared_with(said[0], other) for other in said[1:]]
    if plot is not None:
        drawn = forest(found[0].differences, axis=f"to the right: {found[0].networks[0]} is better")
        drawn.write_html(plot, include_plotlyjs=True)
    warnings = [f"WARNING: {warning}" for warning in dict.fromkeys(one for each in found for one in each.warnings)]
    if len(found) == 1 and phase is None:
        show(found[0].as_dict(), as_json, "\n".join([comparison_text(found[0]), *warnings]))
        return
    from core.evaluation.evaluation import evaluate as measure

    names = targets if phase is None else [targets[0], f"{targets[0]}, phase {phase}"]
    networks = {name: measure(one) for name, one in zip(names, said, strict=True)}
    counts = balanced_counts(Path(targets[0])) if phase is not None else {}
    values = {
        "networks": {name: one.as_dict() for name, one in networks.items()},
        "comparisons": [one.as_dict() for one in found],
        **({"training_scans_and_embeddings": counts} if counts else {}),
    }
    lines = [networks_text(networks), recall_text(networks), *([balance_text(counts)] if counts else [])]
    show(values, as_json, "\n".join([*lines, *map(comparison_text, found), *warnings]))
