"""FOLDER/<part>/<class>/<scan>: train and test (or Training, Validation, Testing) with one folder per class in each."""

from collections.abc import Iterator
from pathlib import Path

from core.cohorts.layout import Entry, Layout, names_a_class, visible_files, visible_folders

PARTS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})


def _matches(folder: Path) -> bool:
    children = visible_folders(folder)
    return (
        bool(children)
        and all(child.name.lower() in PARTS for child in children)
        and not any(names_a_class(child) for child in children)
    )


def _entries(folder: Path) -> Iterator[Entry]:
    for part_folder in visible_folders(folder):
        for class_folder in visible_folders(part_folder):
            for path in visible_files(class_folder):
                yield Entry(path, class_folder.name, part_folder.name)


LAYOUT = Layout("part folders", 10, _matches, _entries)
