"""Verbs for scans and models."""

from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.shared import (
    EVALUATE,
    MODELS,
    READ,
    AgedFrom,
    AsJson,
    Coverage,
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
from core.cli.silenced import silenced_startup
from core.errors import BundleError, ScanError, StageLensError, shortened
from core.files import write_text

commands = typer.Typer()


@commands.command(rich_help_panel=READ)
def predict(
    scans: Annotated[list[Path], typer.Argument(help="Pictures, NIfTI, Analyze, DICOM, zip; a folder is one upload.")],
    model: Model = None,
    page: Page = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Give each scan its probabilities; a volume is brought into the network's space first."""
    from core.networks.bundle import open_bundle
    from core.reporting.text import NOTICE
    from core.reporting.text.predictions import prediction_text

    opened = open_bundle(model)
    read, failed = read_all(scans, page)
    predictions = []
    if read:
        with silenced_startup():
            from core.workflows.predict import predict_scans, predictor_of

        predictor = predictor_of(opened.folder)
        for shown, scan in read:
            try:
                (reading,) = predict_scans([scan], predictor)
            except StageLensError as error:
                failed += 1
                complain(type(error)(f"{shown}: {error}"))
            else:
                predictions.append({"scan": shown, **reading.as_dict(force=force)})
    show(predictions, as_json, "\n".join([*map(prediction_text, predictions), NOTICE]) if predictions else "")
    raise typer.Exit(1 if failed else 0)


@commands.command(rich_help_panel=MODELS)
def models(as_json: AsJson = False) -> None:
    """List the models at hand."""
    from core.networks.bundle import bundle_names, open_bundle

    with silenced_startup():
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
    with silenced_startup():
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

    with silenced_startup():
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
    bundle: Annotated[str, typer.Argument(help="Name or folder of a bundle.")],
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("export"),
    formats: Annotated[list[str] | None, typer.Option("--format", help="keras or onnx; both if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a network for other programs, as .keras and ONNX."""
    from core.networks.bundle import open_bundle

    opened = open_bundle(bundle)
    with silenced_startup():
        from core.workflows.export import FORMATS, export_bundle

    files = [str(path) for path in export_bundle(opened, out, formats or list(FORMATS))]
    show({"files": files}, as_json, "\n".join(files))


def read_all(paths: list[Path], page: int | None) -> tuple[list[tuple[str, Any]], int]:
    """Read what can be read; print one line for each scan that cannot. Files that belong together find each other."""
    from core.scans import read_files, read_scan, read_scan_file, separate_scans

    read: list[tuple[str, Any]] = []
    failed = 0
    files: dict[str, bytes] = {}
    for path in paths:
        try:
            files |= read_files([path])
        except ScanError as error:
            failed += 1
            complain(error)
    if not files and not failed:
        failed += 1
        complain(ScanError(f"there is no file in {', '.join(shortened(str(path)) for path in paths)}; give a scan."))
    alone = len(files) == 1 and not paths[0].is_dir()
    for group in separate_scans(files) if files else []:
        first = next(iter(group))
        shown = first if len(group) == 1 else f"{first} and {len(group) - 1} more"
        try:
            read.append((shown, read_scan_file(first, page=page) if alone else read_scan(group, page=page)))
        except ScanError as error:
            failed += 1
            complain(error)
    return read, failed
