"""A folder of class folders becomes a Cohort: a pandas table, a row a slice."""

import functools
from pathlib import Path

import pandas as pd

from core.cohorts.layout import Layout
from core.cohorts.tasks import Task, task_of
from core.errors import CohortError
from core.registry import collect


@functools.cache
def layouts() -> tuple[Layout, ...]:
    """Return every known way of arranging scans on disk, in the order they are asked."""
    return collect("core.cohorts.layouts", "LAYOUT", Layout)


def index_folder(folder: str | Path) -> tuple[pd.DataFrame, Task]:
    """List the scans of a folder with their labels; reads no pixels.

    Args:
        folder: A folder of class folders, or of train and test folders of class folders.

    Returns:
        A table with the text columns `path` (as reached from `folder`), `label` (the task's name of the class) and
        `came_in` (the part folder the file lay in, or ""), and the task whose classes the folders name.

    Raises:
        CohortError: There is no such folder, or it is arranged in no known way.
    """
    root = Path(folder)
    if not root.is_dir():
        raise CohortError(f"there is no folder {root}.")
    layout = next((layout for layout in layouts() if layout.matches(root)), None)
    entries = list(layout.entries(root)) if layout else []
    if not entries:
        raise CohortError(f"{root} holds no class folders with files; give a folder with one folder of scans a class.")
    task = task_of(entry.label for entry in entries)
    rows = [(entry.path.as_posix(), task.class_of(entry.label), entry.part) for entry in entries]
    return pd.DataFrame(rows, columns=["path", "label", "came_in"]), task
