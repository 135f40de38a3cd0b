"""FOLDER/<part>/<class>/<scan>: train and test (or Training, Validation, Testing) with one folder per class in each."""

from collections.abc import Iterator
from pathlib import Path

from core.cohorts.layout import Entry, Layout, holds_scans, names_a_class, visible_files, visible_folders

PARTS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})


def _matches(folder: Path) -> bool:
    children = visible_folders(folder)
    parts = [child for child in children if child.name.lower() in PARTS]
    others = [child for child in children if child not in parts]
    several = len(parts) > 1 and not any(map(holds_scans, others))  # beside them lie notes or nothing
    return bool(parts) and (several or not others) and not any(map(names_a_class, children))


def _entries(folder: Path) -> Iterator[Entry]:
    for part_folder in visible_folders(folder):
        if part_folder.name.lower() not in PARTS:
            continue
        for class_folder in filter(holds_scans, visible_folders(part_folder)):
            for path in visible_files(class_folder):
                yield Entry(path, class_folder.name, part_folder.name)


LAYOUT = Layout("part folders", 10, _matches, _entries)
