"""Trains rows of the reproduction table, each in a folder of its own, and goes on where a killed run was."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.cohorts import audit_folder, volumes_from_slices
from core.cohorts.plan import files_of, plan_split
from core.errors import TrainingError
from core.files import write_table
from core.networks.bundle import WEIGHTS_FILE
from core.networks.card import Card
from core.networks.recipe import Recipe
from core.networks.recipe_files import read_recipe, with_settings
from core.runs.folder import BUNDLE_FOLDER
from core.training.listeners import SILENT, TrainingListener
from core.workflows.reported_run import run_reported
from core.workflows.reproduce.rows import ROWS, Data, Row, Scheme
from core.workflows.train import Request

SEED = 1
OF_DATA = {"slices": "the Alzheimer set (--slices)", "tumour": "the tumour set (--tumour)"}


@dataclass(frozen=True, eq=False)
class Reproduction:
    """What to run, and where.

    Attributes:
        out: Folder of the split tables and of all runs.
        slices: The Alzheimer set, for rows on slices and on volumes; None if not at hand.
        tumour: The tumour set, likewise.
        as_published: Whether recipes stay as they are: ImageNet's weights, full sizes.
    """

    out: Path
    slices: Path | None = None
    tumour: Path | None = None
    as_published: bool = False

    def run(self, row: Row, scheme: Scheme) -> Path:
        """Return the folder of a training."""
        return self.out / row.name / scheme

    def recipe(self, row: Row) -> Recipe:
        """Return what a row trains."""
        recipe = read_recipe(row.recipe)
        return recipe if self.as_published else with_settings(recipe, row.changes)


def row_called(name: str) -> Row:
    """Return a row by its name.

    Raises:
        TrainingError: There is none.
    """
    for row in ROWS:
        if row.name == name:
            return row
    raise TrainingError(f"there is no row {name!r}; there are {', '.join(row.name for row in ROWS)}.")


def reproduce(
    wanted: Reproduction, row: Row, *, by: Scheme | None = None, listener: TrainingListener = SILENT
) -> Iterator[tuple[Scheme, Card]]:
    """Train a row, and first the one it starts from; what is finished is not trained again.

    Args:
        wanted: Where, and on what.
        row: What.
        by: Only this split of it; None for all.
        listener: Told how it goes.

    Yields:
        The split and the card of each training.

    Raises:
        TrainingError: The row has no such split, its set was not given, or its folder holds a run of another request,
            such as one with `as_published`.
        StageLensError: As raised by the rooms below.
    """
    if by is not None and by not in row.schemes:
        raise TrainingError(f"{row.name} is split by {' or '.join(row.schemes)}. Received: {by}")
    for scheme in row.schemes if by is None else (by,):
        listener.say(f"{row.title}, by {scheme}")
        weights, split = _start(wanted, row, listener), _split_table(wanted, row.data, scheme)
        request = Request(wanted.recipe(row), split, wanted.run(row, scheme), weights=weights, resume=True)
        card = run_reported(request, listener=listener).card
        assert card is not None  # noqa: S101 - whole recipes are trained here
        yield scheme, card


def _start(wanted: Reproduction, row: Row, listener: TrainingListener) -> Path | None:
    """Return the weights a row starts from, trained first where they are not there yet."""
    if not row.starts_from or wanted.as_published:
        return None
    first = row_called(row.starts_from)
    for _ in reproduce(wanted, first, listener=listener):
        pass
    return wanted.run(first, first.schemes[0]) / BUNDLE_FOLDER / WEIGHTS_FILE


def _split_table(wanted: Reproduction, data: Data, scheme: Scheme) -> Path:
    """Return a split table, made on the first call."""
    path = wanted.out / "splits" / f"{data}_by_{scheme}.csv"
    if path.exists():
        return path
    folder = wanted.tumour if data == "tumour" else wanted.slices
    if folder is None:
        raise TrainingError(f"this row needs the folder of {OF_DATA['tumour' if data == 'tumour' else 'slices']}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    if data == "volumes":
        stacked = wanted.out / "volumes"
        volumes_from_slices(audit_folder(folder), stacked)
        folder = stacked
    write_table(path, plan_split(files_of(folder).table, scheme, seed=SEED).split)
    return path
