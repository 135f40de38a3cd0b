"""The command line: `stagelens`, or `python -m core`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import ChoiceNeeded, NoHead, ScanError, StageLensError
from core.service.quiet import loading_quietly

# TensorFlow's start-up notes would stand between a person and the one line that matters.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

app = typer.Typer(
    name="stagelens",
    help="Reads brain-MRI scans, classifies and explains them, and says how far to believe it. "
    "For research and education; not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Model = Annotated[str | None, typer.Option(help="Name or folder of a model; the default one if left out.")]
Page = Annotated[int | None, typer.Option(min=1, help="Page, volume or series where there are several, from 1.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same parts.")]


@app.command()
def audit(
    folder: Annotated[Path, typer.Argument(help="Folder of class folders, or of train and test folders of them.")],
    table: Annotated[Path | None, typer.Option(help="Write path, label, subject, slice … as CSV.")] = None,
    every: Annotated[bool, typer.Option("--all", help="List every group of copies.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find unreadable files, copies, and the people behind the slices."""
    from core.cohorts import audit_folder
    from core.service.words import audit_words

    found = audit_folder(folder)
    if table is not None:
        _writable(table)
        found.table.to_csv(table, index=False)
    findings = found.as_dict()
    _print(findings, as_json, audit_words(findings, every_group=every))


@app.command()
def download(
    name: Annotated[str, typer.Argument(help="alzheimer or tumour.")],
    out: Annotated[Path | None, typer.Option(help="Folder to put the set into; data/NAME if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a public set through your own Kaggle login, and count it."""
    from core.cohorts.download import download as fetch
    from core.service.words import download_words

    got = fetch(name, out or Path("data") / name)
    values = {"folder": str(got.folder), "counts": got.counts, "expected": got.expected, "as_known": got.as_known}
    _print(values, as_json, download_words(values))


@app.command()
def preprocess(
    folder: Annotated[Path, typer.Argument(help="OASIS-1, BIDS, NIfTI with a table, or class folders of volumes.")],
    out: Annotated[Path, typer.Option(help="Folder for the slices or cubes; a stopped run goes on where it was.")],
    slices: Annotated[int, typer.Option(min=1, max=32, help="Axial slices a volume.")] = 20,
    cubes: Annotated[bool, typer.Option("--cubes", help="Write volumes of 128 x 128 x 128 instead of slices.")] = False,
    bias: Annotated[bool, typer.Option("--bias/--no-bias", help="Correct smooth changes of brightness.")] = True,
    as_json: AsJson = False,
) -> None:
    """Bring the volumes of a cohort into standard space and write what networks train on."""
    from core.cohorts.preprocess import preprocess as run
    from core.service.words import preprocess_words

    def say(done: int, of: int, sentence: str) -> None:
        print(f"{done} of {of}  {sentence}", file=sys.stderr)

    made = run(folder, out, slices=None if cubes else slices, bias_correction=bias, say=say)
    values = {
        "out": str(out),
        "files": len(made.manifest),
        "volumes": int(made.manifest["source"].nunique()),
        "people": int(made.manifest["subject"].nunique()),
        "doubtful": sorted(set(made.manifest.loc[made.manifest["verdict"] == "doubtful", "source"])),
        "without_class": made.without_class,
        "resumed": made.resumed,
        "left_out": made.left_out.to_dict("records"),
    }
    _print(values, as_json, preprocess_words(values))


@app.command()
def volumes(
    folder: Annotated[Path, typer.Argument(help="Slices of the Alzheimer set.")],
    out: Annotated[Path, typer.Option(help="Folder for the volumes.")],
    as_json: AsJson = False,
) -> None:
    """Stack the slices of each person the audit finds into a NIfTI volume."""
    from core.cohorts import audit_folder, volumes_from_slices

    made = volumes_from_slices(audit_folder(folder), out)
    values = {"out": str(out), "volumes": len(made), "by_class": made["label"].value_counts().to_dict()}
    _print(values, as_json, f"{len(made)} volumes in {out}")


@app.command()
def split(
    folder: Annotated[Path, typer.Argument(help="Folder of scans, as for audit.")],
    by: Annotated[str, typer.Option(help="person, slice, or auto: by person wherever people are found.")] = "auto",
    out: Annotated[Path, typer.Option(help="The table to write.")] = Path("split.csv"),
    folders: Annotated[Path | None, typer.Option(help="Also copy the files into train, val and test folders.")] = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Decide who trains, who validates and who tests, and write it down."""
    if by not in {"auto", "person", "slice"}:
        raise typer.BadParameter(f"expected person, slice or auto. Received: {by}", param_hint="--by")
    from core.cohorts import audit_folder, split_by_person, split_by_slice, write_folders
    from core.service.splits import describe_split
    from core.service.words import split_words

    _writable(out)
    found = audit_folder(folder)
    if by == "slice" or (by == "auto" and not found.people_known):
        parts = split_by_slice(found.table, seed=seed, folders=folders)
    else:
        parts = split_by_person(found.table, seed=seed)
        if folders is not None:
            write_folders(parts, folders)
    parts.to_csv(out, index=False)
    described = describe_split(parts)
    if by == "person" and not found.people_known:
        described["note"] = "People cannot be told apart here; near copies were kept together instead."
    words = split_words(described) + (f"\n{described['note']}" if "note" in described else "")
    _print({"table": str(out), **described}, as_json, f"{words}\nwritten to {out}")


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe, or a .toml file.")],
    split: Annotated[Path, typer.Option(help="Table written by split.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    weights: Annotated[Path | None, typer.Option(help="Start weights: Keras .h5 or a bundle's .safetensors.")] = None,
    published: Annotated[
        Path | None, typer.Option(help="Bundle of the same recipe trained by slice, to stand beside this one.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a recipe and write a bundle with its card."""
    from core.networks.recipe import read_recipe
    from core.service.progress import TrainingProgress

    read = read_recipe(recipe)
    with loading_quietly():
        from core.service.training import Request, train_bundle
        from core.service.words import figures_words

    request = Request(read, split, out, weights, published, resume)
    with TrainingProgress() as progress:
        bundle = train_bundle(request, step=progress.step, say=progress.say)
    _print(
        {"bundle": str(bundle.folder), "card": bundle.card}, as_json, f"{figures_words(bundle.card)}\n{bundle.folder}"
    )


@app.command()
def evaluate(
    bundle: Annotated[str, typer.Argument(help="Name or folder of a bundle.")],
    split: Annotated[Path, typer.Option(help="Table written by split.")],
    part: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    as_json: AsJson = False,
) -> None:
    """Measure a bundle on a part of a split, by slice and by person."""
    from core.cohorts import read_split
    from core.networks.card import open_bundle
    from core.service.words import figures_words

    opened, table = open_bundle(bundle), read_split(split)
    with loading_quietly():
        from core.service.training import evaluate_bundle

    values = evaluate_bundle(opened, table, part=part)
    warnings = "".join(f"\nWARNING: {warning}" for warning in values["warnings"])
    _print(values, as_json, f"{values['model']} on the {part} part\n{figures_words(values)}{warnings}")


@app.command()
def predict(
    scans: Annotated[list[Path], typer.Argument(help="Pictures, NIfTI, Analyze, DICOM, zip; a folder is one upload.")],
    model: Model = None,
    page: Page = None,
    as_json: AsJson = False,
) -> None:
    """Give each scan its probabilities; a volume is brought into the network's space first."""
    from core.networks.card import open_bundle
    from core.service.words import NOTICE, reading_words

    opened = open_bundle(model)
    read, failed = _read_all(scans, page)
    answers = []
    if read:
        with loading_quietly():
            from core.service.reading import predict_scans, predictor_of

        predictor = predictor_of(opened.folder)
        for shown, scan in read:
            try:
                (reading,) = predict_scans([scan], predictor)
            except StageLensError as error:
                failed += 1
                _complain(type(error)(f"{shown}: {error}"))
            else:
                answers.append({"scan": shown, **reading.as_dict()})
    _print(answers, as_json, "\n".join([*map(reading_words, answers), NOTICE]) if answers else "")
    raise typer.Exit(1 if failed else 0)


@app.command()
def explain(
    scan: Annotated[Path, typer.Argument(help="A picture, NIfTI, Analyze, DICOM or zip file, or a folder of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")],
    model: Model = None,
    method: Annotated[str, typer.Option(help="Explanation method.")] = "grad-cam",
    class_name: Annotated[
        str | None, typer.Option("--class", help="Class to explain; the predicted one if left out.")
    ] = None,
    opacity: Annotated[float, typer.Option(min=0, max=1, help="Of the heatmap over the scan.")] = 0.5,
    page: Page = None,
    as_json: AsJson = False,
) -> None:
    """Show where the evidence lies: overlay (PNG) and raw heatmap (NPY)."""
    from core.networks.card import open_bundle
    from core.scans import read_scan_file

    read, opened = read_scan_file(scan, page=page), open_bundle(model)
    with loading_quietly():
        from core.service.heads import standard_head
        from core.service.pictures import save_check, save_pictures
        from core.service.reading import predictor_of, read_scans

    try:
        (reading,) = read_scans([read], predictor_of(opened.folder), class_name=class_name, method=method)
    except NoHead as error:
        check = save_check(standard_head(read), out)
        raise NoHead(f"{error} The picture before and after is {check}.") from error
    files = save_pictures(reading, out, opacity=opacity)
    explanation = reading.explanation
    answer = {
        "scan": str(scan),
        **reading.as_dict(),
        **explanation.as_dict(),
        "sentence": explanation.sentence,
        "files": {name: str(path) for name, path in files.items()},
    }
    lines = [explanation.sentence, *(f"Note: {warning}" for warning in reading.warnings), *map(str, files.values())]
    _print(answer, as_json, "\n".join(lines))


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the models at hand."""
    from core.networks.card import bundle_names, open_bundle
    from core.service.words import figures_words

    bundles = [open_bundle(name) for name in bundle_names()]
    words = [f"{bundle.name}: {bundle.card['title']}\n{figures_words(bundle.card)}" for bundle in bundles]
    _print([{"name": bundle.name, **bundle.card} for bundle in bundles], as_json, "\n".join(words) or "no models")


@app.command()
def recipes(as_json: AsJson = False) -> None:
    """List the recipes that are shipped."""
    from core.networks.recipe import read_recipe, recipe_names, recipe_values

    read = [read_recipe(name) for name in recipe_names()]
    words = [f"{recipe.name}: {recipe.title}" for recipe in read]
    _print([recipe_values(recipe) for recipe in read], as_json, "\n".join(words))


@app.command()
def export(
    bundle: Annotated[str, typer.Argument(help="Name or folder of a bundle.")],
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("export"),
    formats: Annotated[list[str] | None, typer.Option("--format", help="keras or onnx; both if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a network for other programs, as .keras and ONNX."""
    from core.networks.card import open_bundle

    opened = open_bundle(bundle)
    with loading_quietly():
        from core.service.exporting import FORMATS, export_bundle

    files = [str(path) for path in export_bundle(opened, out, formats or list(FORMATS))]
    _print({"files": files}, as_json, "\n".join(files))


def _read_all(paths: list[Path], page: int | None) -> tuple[list[tuple[str, Any]], int]:
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
            _complain(error)
    alone = len(files) == 1 and not paths[0].is_dir()
    for group in separate_scans(files) if files else []:
        first = next(iter(group))
        shown = first if len(group) == 1 else f"{first} and {len(group) - 1} more"
        try:
            read.append((shown, read_scan_file(first, page=page) if alone else read_scan(group, page=page)))
        except ScanError as error:
            failed += 1
            _complain(error)
    return read, failed


def _writable(path: Path) -> None:
    """Find out before the work, not after it, that the answer cannot be written."""
    if path.is_dir() or not path.resolve().parent.is_dir():
        raise StageLensError(f"{path} cannot be written: give a file in a folder that exists.")


def _print(values: Any, as_json: bool, words: str) -> None:
    if as_json:
        print(json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False))
    elif words:
        print(words)


def _complain(error: StageLensError) -> None:
    line = " ".join(str(error).split())
    if isinstance(error, ChoiceNeeded):
        line += " Choose it with --page."
    print(f"stagelens: {line}", file=sys.stderr)


def main() -> None:
    """Run the command line: exit status 0, 1 when the work failed, 2 for bad usage; errors are one line."""
    try:
        app()
    except StageLensError as error:
        _complain(error)
        sys.exit(1)
    except KeyboardInterrupt:
        print("stagelens: stopped; a training goes on with --resume.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
