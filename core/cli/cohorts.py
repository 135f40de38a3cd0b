"""Verbs for folders of scans."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from core.cli.shared import DATA, AsJson, By, IdTable, Ordered, Seed, SubjectPattern, check_scheme, show, writable
from core.files import write_table

commands = typer.Typer()


@commands.command(rich_help_panel=DATA)
def audit(
    folder: Annotated[Path, typer.Argument(help="Folder of class folders, or of train and test folders of them.")],
    table: Annotated[Path | None, typer.Option(help="Write path, label, subject, slice … as CSV.")] = None,
    every: Annotated[bool, typer.Option("--all", help="List every group of copies.")] = False,
    subjects: IdTable = None,
    subject_pattern: SubjectPattern = "",
    as_json: AsJson = False,
) -> None:
    """Find unreadable files, copies, and the people behind the slices."""
    from core.cohorts.names.people import Naming
    from core.cohorts.plan import named_audit
    from core.cohorts.plan.files import contradictions
    from core.cohorts.plan.notices import notices
    from core.reporting.text.cohorts import audit_text

    found, notes = named_audit(folder, Naming(subject_pattern, subjects))
    if table is not None:
        writable(table)
        write_table(table, found.table)
    findings = found.as_dict() | {"notes": [*notices(folder), *notes, *contradictions(found.table)]}
    show(findings, as_json, "\n".join([audit_text(findings, every_group=every), *findings["notes"]]))


@commands.command(rich_help_panel=DATA)
def download(
    name: Annotated[
        str,
        typer.Argument(
            help="alzheimer (176 × 208, the better copy), alzheimer-squeezed, alzheimer-marcopinamonti, tumour."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder to put the set into; data/NAME if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a public set through your own Kaggle login, and count it."""
    from core.cohorts.download import download as fetch
    from core.reporting.text.cohorts import download_text

    got = fetch(name, out or Path("data") / name)
    values = {"folder": str(got.folder), "counts": got.counts, "expected": got.expected, "as_known": got.as_known}
    show(values, as_json, download_text(values))


@commands.command(rich_help_panel=DATA)
def preprocess(
    folder: Annotated[Path, typer.Argument(help="OASIS-1, BIDS, NIfTI with a table, or class folders of volumes.")],
    out: Annotated[Path, typer.Option(help="Folder for the slices or cubes; a stopped run goes on where it was.")],
    slices: Annotated[int, typer.Option(min=1, max=32, help="Axial slices a volume.")] = 20,
    cubes: Annotated[bool, typer.Option("--cubes", help="Write volumes of 128 x 128 x 128 instead of slices.")] = False,
    bias: Annotated[bool, typer.Option("--bias/--no-bias", help="Correct smooth changes of brightness.")] = True,
    subjects: IdTable = None,
    subject_pattern: SubjectPattern = "",
    as_json: AsJson = False,
) -> None:
    """Bring the volumes of a cohort into standard space and write what networks train on."""
    from core.cohorts.names.people import Naming
    from core.cohorts.preprocess import preprocess as run
    from core.reporting.text.cohorts import preprocess_text

    def say(done: int, of: int, sentence: str) -> None:
        print(f"{done} of {of}  {sentence}", file=sys.stderr)

    naming = Naming(subject_pattern, subjects)
    made = run(folder, out, slices=None if cubes else slices, bias_correction=bias, naming=naming, say=say)
    values = {
        "out": str(out),
        "files": len(made.manifest),
        "volumes": int(made.manifest["source"].nunique()),
        "people": int(made.manifest["subject"].nunique()),
        "doubtful": sorted(set(made.manifest.loc[made.manifest["verdict"] == "doubtful", "source"])),
        "without_class": made.without_class,
        "resumed": made.resumed,
        "notes": list(made.notes),
        "left_out": made.left_out.to_dict("records"),
    }
    show(values, as_json, preprocess_text(values))


@commands.command(rich_help_panel=DATA)
def volumes(
    folder: Annotated[Path, typer.Argument(help="Slices of the Alzheimer set.")],
    out: Annotated[Path, typer.Option(help="Folder for the volumes.")],
    as_json: AsJson = False,
) -> None:
    """Stack the slices of each person the audit finds into a NIfTI volume."""
    from core.cohorts import audit_folder, volumes_from_slices

    made = volumes_from_slices(audit_folder(folder), out)
    values = {"out": str(out), "volumes": len(made), "by_class": made["label"].value_counts().to_dict()}
    show(values, as_json, f"{len(made)} volumes in {out}")


@commands.command(rich_help_panel=DATA)
def split(
    folder: Annotated[Path, typer.Argument(help="Folder of scans, as for audit.")],
    by: By = "auto",
    out: Annotated[Path, typer.Option(help="The table to write.")] = Path("split.csv"),
    folders: Annotated[Path | None, typer.Option(help="Also copy the files into train, val and test folders.")] = None,
    drop_copies: Annotated[
        bool, typer.Option("--drop-copies", help="Leave out files that have a copy in the test or validation part.")
    ] = False,
    ordered: Ordered = False,
    subjects: IdTable = None,
    subject_pattern: SubjectPattern = "",
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Decide who trains, who validates and who tests, and write it down."""
    check_scheme(by)
    from core.cohorts import write_folders
    from core.cohorts.names.people import Naming
    from core.cohorts.plan import files_of, plan_split
    from core.cohorts.split_summary import describe_split
    from core.reporting.text.cohorts import split_text
    from core.results import write

    writable(out)
    files = files_of(folder, Naming(subject_pattern, subjects), ordered=ordered)
    planned = plan_split(files.table, by, seed=seed, drop_copies=drop_copies)
    if folders is not None:
        write_folders(planned.split, folders)
    write_table(out, planned.split)
    described, notes = describe_split(planned.split), [*files.notes, *planned.notes]
    values = {"table": str(out), **write(described), "notes": notes, "note": " ".join(planned.notes) or None}
    show(values, as_json, "\n".join([split_text(described), *notes, f"written to {out}"]))


@commands.command(rich_help_panel=DATA)
def leak(
    folder: Annotated[Path, typer.Argument(help="Folder of slices, as for audit; people must be found in it.")],
    recipe: Annotated[
        str, typer.Option(help="What is trained: the nearest picture takes a minute, a network hours.")
    ] = "baseline_pixels_nearest",
    out: Annotated[Path | None, typer.Option(help="Folder for the trainings of a network; they resume.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the bars as a self-contained HTML.")] = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Show what a random split of slices is worth: the same recipe on people never seen, and on random labels."""
    from core.cli.progress import TrainingProgress
    from core.cohorts.plan import named_audit
    from core.networks.recipe_files import read_recipe
    from core.reporting.text.evaluation import leakage_text
    from core.workflows.leakage import measure_leakage

    if plot is not None:
        writable(plot)
    with TrainingProgress() as progress:
        found = measure_leakage(
            named_audit(folder)[0].table, read_recipe(recipe), out=out, seed=seed, listener=progress
        )
    if plot is not None:
        from core.reporting.plots.leakage import leakage_bars

        leakage_bars(found).write_html(plot, include_plotlyjs=True)
    show(found.as_dict(), as_json, leakage_text(found))


@commands.command("sample-cohort", rich_help_panel=DATA)
def sample_cohort(
    out: Annotated[Path, typer.Argument(help="New folder for the slices, the table of subjects and the volume.")],
    people: Annotated[int, typer.Option(min=20, help="How many synthetic people.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Make a small synthetic cohort to try every step on: slices, a table of subjects with age and sex, a volume."""
    from core.reporting.text.cohorts import sample_text
    from core.workflows.sample_cohort import write_sample_cohort

    values = write_sample_cohort(out, people=people, seed=seed).as_dict()
    show(values, as_json, sample_text(values))
