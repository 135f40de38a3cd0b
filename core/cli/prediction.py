"""Verbs for scans and models."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.batch import Batch
from core.cli.shared import (
    EVALUATE,
    MODELS,
    READ,
    Age,
    AgedFrom,
    AsJson,
    Coverage,
    Flip,
    Force,
    Model,
    Page,
    SubjectTable,
    UnknownAge,
    complain,
    people_of,
    show,
    writable,
)
from core.errors import BundleError
from core.files import write_table, write_text

commands = typer.Typer()


@commands.command(rich_help_panel=READ)
def predict(
    scans: Annotated[
        list[Path], typer.Argument(help="Pictures, volumes, DICOM or zip files, or folders of any number of them.")
    ],
    model: Model = None,
    page: Page = None,
    table: Annotated[Path | None, typer.Option(help="Write a line a scan to this CSV file, too.")] = None,
    flip: Flip = False,
    age: Age = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Give each scan its probabilities; a volume is brought into the network's space first."""
    from core.networks.bundle import open_bundle
    from core.reporting.text import NOTICE
    from core.reporting.text.predictions import prediction_table, prediction_text, summary_text

    opened = open_bundle(model)
    if table is not None:
        writable(table)
    batch, answers, names = Batch(scans, page, flip=flip), [], []
    if batch.scans:
        from core.workflows.predict import predict_scans, predictor_of

        predictor = predictor_of(opened.folder).for_age(age)
        try:
            for found, reading in batch.answered(lambda some: predict_scans(some, predictor)):
                answers.append({"scan": found.shown, **reading.as_dict(force=force)})
                names.append(found.name)
                if not as_json:
                    print(prediction_text(answers[-1]), flush=True)
        finally:  # what is there when somebody stops it is kept
            if table is not None:
                write_table(table, prediction_table(answers, names, batch.refused))
    elif table is not None:
        write_table(table, prediction_table([], [], batch.refused))
    lines = [NOTICE] if answers else []
    if len(batch.scans) > 1:
        lines.append(summary_text(answers, failed=batch.failed, passed_over=batch.passed_over))
    show(answers, as_json, "\n".join(lines))
    raise typer.Exit(1 if batch.failed else 0)


@commands.command(rich_help_panel=MODELS)
def models(as_json: AsJson = False) -> None:
    """List the models at hand."""
    from core.networks.bundle import bundle_names, open_bundle
    from core.reporting.text.verdict import card_text

    bundles, failed = [], 0
    for name in bundle_names():
        try:
            bundles.append(open_bundle(name))
        except BundleError as error:
            failed += 1
            complain(error)
    words = [f"{bundle.name}: {bundle.card.title}\n{card_text(bundle.card)}" for bundle in bundles]
    show([bundle.card.as_dict() for bundle in bundles], as_json, "\n".join(words) or "no models")
    raise typer.Exit(1 if failed else 0)


@commands.command(rich_help_panel=MODELS)
def card(
    bundle: Annotated[str, typer.Argument(help="Name or folder of a bundle.")],
    out: Annotated[Path | None, typer.Option(help="Write it as .md or .html instead of printing it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print a model card: use, data, metrics, calibration, what it rejects, failures, and the checklists it answers."""
    from core.networks.bundle import open_bundle

    if out is not None and out.suffix not in {".md", ".html"}:
        raise typer.BadParameter(f"expected a .md or .html file. Received: {out}", param_hint="--out")
    opened = open_bundle(bundle)
    from core.reporting.model_card import card_page, model_card

    if out is None:
        show(opened.card.as_dict(), as_json, model_card(opened))
        return
    writable(out)
    write_text(out, card_page(opened) if out.suffix == ".html" else model_card(opened))
    show({"file": str(out)}, as_json, f"written to {out}")


@commands.command(rich_help_panel=EVALUATE)
def calibrate(
    bundle: Annotated[str, typer.Argument(help="Name or folder of a bundle.")],
    split: Annotated[Path, typer.Option(help="The table it was trained on.")],
    coverage: Coverage = 0.9,
    people: SubjectTable = None,
    aged_from: AgedFrom = 60,
    unknown_age: UnknownAge = None,
    as_json: AsJson = False,
) -> None:
    """Learn anew from validation people how far to believe a bundle: probabilities, prediction sets, OOD scans."""
    from core.cohorts import read_split
    from core.networks.bundle import open_bundle
    from core.reporting.text.evaluation import uncertainty_text
    from core.workflows.calibrate import calibrate_bundle

    known = people_of(people, aged_from, unknown_age)
    opened, table = open_bundle(bundle), read_split(split)

    card = calibrate_bundle(opened, table, coverage=coverage, people=known).card
    values = card.as_dict()
    chosen = {name: values[name] for name in ("calibration", "ood", "confounders", "limits")}
    show(chosen, as_json, uncertainty_text(card))


@commands.command(rich_help_panel=MODELS)
def export(
    bundle: Annotated[str, typer.Argument(help="Name or folder of a bundle; with --phase, folder of a run.")],
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("export"),
    formats: Annotated[list[str] | None, typer.Option("--format", help="keras or onnx; both if left out.")] = None,
    phase: Annotated[int | None, typer.Option(min=1, help="Of a run: its network as this phase left it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a network for other programs, as .keras and ONNX."""
    from core.networks.bundle import open_bundle

    opened = None if phase is not None else open_bundle(bundle)
    from core.workflows.export import FORMATS, export_bundle, export_phase

    wanted = formats or list(FORMATS)
    if opened is None:
        assert phase is not None  # noqa: S101 - else a bundle was opened
        files = [str(path) for path in export_phase(Path(bundle), phase, out, wanted)]
    else:
        files = [str(path) for path in export_bundle(opened, out, wanted)]
    show({"files": files}, as_json, "\n".join(files))
