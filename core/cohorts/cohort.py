"""From a folder of class folders to a Cohort: a pandas table with one row per slice."""

import functools
from dataclasses import replace
from pathlib import Path

import pandas as pd

from core.cohorts.layout import Entry, Layout, is_volume_name, without_ending
from core.cohorts.tasks import Task, task_in, with_task
from core.errors import CohortError
from core.registry import collect


@functools.cache
def layouts() -> tuple[Layout, ...]:
    """Return every known way of arranging scans on disk, in the order they are tried."""
    return collect("core.cohorts.layouts", "LAYOUT", Layout)


def index_folder(folder: str | Path) -> tuple[pd.DataFrame, Task]:
    """List the scans of a folder with their labels; reads no pixels.

    Args:
        folder: A folder of class folders, or of train and test folders of class folders, or what preprocess wrote.

    Returns:
        A table with the text columns `path` (beginning with `folder`), `label` (the task's name of the class),
        `came_in` (the part folder the file was in, or ""), `subject` and `session` (if the layout gives them), `task`
        and the column `height_mm`; and the task whose classes the folders name.

    Raises:
        CohortError: There is no such folder, its layout is not known, or it holds volumes.
    """
    layout, entries = _listed(Path(folder))
    if layout.volumes:
        raise CohortError(f"{folder} holds volumes ({layout.name}); cut them into slices with preprocess first.")
    task = task_in(Path(folder), (entry.label for entry in entries))
    return _table(entries, task), task


def index_volumes(folder: str | Path) -> tuple[pd.DataFrame, int]:
    """List those volumes of a cohort whose class is known; reads no voxels.

    Args:
        folder: OASIS-1 discs, BIDS, a table with NIfTI files, or class folders of volumes.

    Returns:
        A table as `index_folder` returns it (a person with several sessions is one `subject`), and how many volumes
        were left out because their class is unknown.

    Raises:
        CohortError: There is no such folder, or it holds no volumes with a class.
    """
    layout, entries = _listed(Path(folder))
    if not layout.volumes:
        entries = [
            replace(entry, subject=entry.subject or without_ending(entry.path))
            for entry in entries
            if is_volume_name(entry.path)
        ]
    known = [entry for entry in entries if entry.label]
    if not known:
        what = f"{len(entries)} volumes but no class for any of them" if entries else "no volumes"
        raise CohortError(f"{folder} holds {what}; expected OASIS-1, BIDS, NIfTI with a table, or class folders.")
    task = task_in(Path(folder), (entry.label for entry in known))
    return _table(known, task), len(entries) - len(known)


def holds_volumes(folder: str | Path) -> bool:
    """Tell whether a cohort holds volumes, judging by its layout or its file names.

    Raises:
        CohortError: The folder is not a cohort.
    """
    layout, entries = _listed(Path(folder))
    return layout.volumes or any(is_volume_name(entry.path) for entry in entries)


def _listed(root: Path) -> tuple[Layout, list[Entry]]:
    if not root.is_dir():
        raise CohortError(f"there is no folder {root}.")
    layout = next((layout for layout in layouts() if layout.matches(root)), None)
    entries = list(layout.entries(root)) if layout else []
    if layout is None or not entries:
        raise CohortError(
            f"{root} holds no class folders with files; give a folder with one folder of scans per class."
        )
    return layout, entries


def _table(entries: list[Entry], task: Task) -> pd.DataFrame:
    rows = [
        (entry.path.as_posix(), task.class_of(entry.label), entry.part, entry.subject, entry.session, entry.height_mm)
        for entry in entries
    ]
    table = pd.DataFrame(rows, columns=["path", "label", "came_in", "subject", "session", "height_mm"])
    return with_task(table, task)
