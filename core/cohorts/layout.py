"""The record that every layout of `core.cohorts.layouts` exports, and what they share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.cohorts.tasks import TASKS

IGNORED = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Entry:
    """One file of a cohort: where it is, the class its folder names, and the part (train, test …) it came in."""

    path: Path
    label: str
    part: str


@dataclass(frozen=True)
class Layout:
    """One way of arranging scans on disk.

    Attributes:
        name: What people call it.
        priority: Layouts are asked in this order, lowest first.
        matches: Whether a folder is arranged so.
        entries: The files of such a folder, in a fixed order.
    """

    name: str
    priority: int
    matches: Callable[[Path], bool]
    entries: Callable[[Path], Iterator[Entry]]


def visible_folders(folder: Path) -> list[Path]:
    """List the folders in a folder, sorted, without those that systems leave behind."""
    return [path for path in _visible(folder) if path.is_dir()]


def visible_files(folder: Path) -> list[Path]:
    """List the files in a folder, sorted, without those that systems leave behind."""
    return [path for path in _visible(folder) if path.is_file()]


def names_a_class(folder: Path) -> bool:
    """Tell whether a folder is called like a class of one of our tasks."""
    return any(task.class_of(folder.name) for task in TASKS.values())


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.name not in IGNORED)
