"""FOLDER/<class>/<scan>: one folder per class."""

from collections.abc import Iterator
from pathlib import Path

from core.cohorts.layout import Entry, Layout, visible_files, visible_folders


def _matches(folder: Path) -> bool:
    return any(visible_files(child) for child in visible_folders(folder))


def _entries(folder: Path) -> Iterator[Entry]:
    for class_folder in visible_folders(folder):
        for path in visible_files(class_folder):
            yield Entry(path, class_folder.name)


LAYOUT = Layout("class folders", 20, _matches, _entries)
