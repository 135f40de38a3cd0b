"""The verb for archives."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.shared import READ, AsJson, Model, complain, show
from core.errors import StageLensError

if TYPE_CHECKING:
    from core.workflows.score.part import Counts

commands = typer.Typer()


@commands.command(rich_help_panel=READ)
def score(
    folder: Annotated[Path, typer.Argument(help="Archive of scans, of any size and depth.")],
    out: Annotated[Path, typer.Option(help="Folder for the tables (Parquet); one of before is gone on with.")],
    model: Model = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one a core if left out.")] = None,
    scheduler: Annotated[str, typer.Option(help="Address of a Dask scheduler, such as tcp://host:8786.")] = "",
    as_json: AsJson = False,
) -> None:
    """Score an archive: probabilities, sets and rejections of every scan and slice, resumable, on many processes."""
    from core.networks.bundle import open_bundle
    from core.words import counted
    from core.workflows.score.archive import score_archive

    if workers is not None and scheduler:
        raise typer.BadParameter("the scheduler knows its workers; leave this out", param_hint="--workers")
    opened = open_bundle(model)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, with all processes
    with _shown(folder) as done:
        found = score_archive(folder, out, opened, workers=workers, scheduler=scheduler, done=done)
    values = {
        "folder": str(out),
        "model": opened.name,
        "scored_now": found.now,
        "scans": found.scans,
        "slices": found.slices,
        "rejected": found.rejected,
        "unread": found.unread,
        "answers": dict(found.answers.most_common()),
        "resumed_parts": found.resumed,
    }
    if found.unread:
        what = counted(found.unread, "file or scan", "files or scans")
        complain(StageLensError(f"{what} got no answer; {out / 'unread'} says why."))
    given = ", ".join(f"{count:,} {name}" for name, count in found.answers.most_common()) or "no answer"
    scored = f"{counted(found.scans, 'scan')} ({counted(found.slices, 'slice')})"
    said = f"{scored}: {given}; {found.rejected:,} rejected"
    if found.resumed:
        said += f"; {counted(found.now, 'scan')} of them were scored now"
    show(values, as_json, f"{said}\ntables in {out}")
    raise typer.Exit(1 if found.unread else 0)


@contextlib.contextmanager
def _shown(folder: Path) -> Iterator[Any]:
    """Show how many files are scored, of how many, and the time that is left; on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda counts: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    total = sum(len(files) for _, _, files in os.walk(folder, followlinks=False))
    columns = (TextColumn("Scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total)

        def done(counts: "Counts") -> None:
            progress.advance(task, counts.files)

        yield done
