"""FOLDER/<class>/<scan>: one folder per class."""

from collections.abc import Iterator
from pathlib import Path

from core.cohorts.layout import Entry, Layout, holds_scans, visible_files, visible_folders


def _matches(folder: Path) -> bool:
    return any(map(holds_scans, visible_folders(folder)))


def _entries(folder: Path) -> Iterator[Entry]:
    for class_folder in filter(holds_scans, visible_folders(folder)):
        for path in visible_files(class_folder):
            yield Entry(path, class_folder.name)


LAYOUT = Layout("class folders", 20, _matches, _entries)
