"""The record that every layout of `core.cohorts.layouts` exports, and what they share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.cohorts.tasks import ALZHEIMER, TASKS

VOLUME_ENDINGS = (".nii", ".nii.gz", ".hdr")
NOBODY_SAID = frozenset({"", "nan", "n/a", "na", "none", "?"})
CDR_CLASSES = tuple(zip((0.0, 0.5, 1.0, 2.0), ALZHEIMER.classes, strict=True))  # Morris, Neurology 43:2412, 1993
IGNORED = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Entry:
    """One scan of a cohort.

    Attributes:
        path: The file; of a header with its image, the header.
        label: What the folder or the table calls its class; "" where nobody has said.
        part: The part (train, test …) it came in, or "".
        subject: Who it is, where the layout knows; "" otherwise.
        session: Which visit, where the layout knows.
        height_mm: Of a slice in standard space, where the layout knows.
    """

    path: Path
    label: str
    part: str = ""
    subject: str = ""
    session: str = ""
    height_mm: float = float("nan")


@dataclass(frozen=True)
class Layout:
    """One way of arranging scans on disk.

    Attributes:
        name: What people call it.
        priority: Layouts are asked in this order, lowest first.
        matches: Whether a folder is arranged so.
        entries: The files of such a folder, in a fixed order.
        volumes: Whether its scans are volumes always; other layouts hold what their files are.
    """

    name: str
    priority: int
    matches: Callable[[Path], bool]
    entries: Callable[[Path], Iterator[Entry]]
    volumes: bool = False


def visible_folders(folder: Path) -> list[Path]:
    """List the folders in a folder, sorted, without those that systems leave behind."""
    return [path for path in _visible(folder) if path.is_dir()]


def visible_files(folder: Path) -> list[Path]:
    """List the scans in a folder, sorted, without what systems leave behind and without images that have a header."""
    files = [path for path in _visible(folder) if path.is_file()]
    headers = {without_ending(path) for path in files if path.suffix.lower() == ".hdr"}
    return [path for path in files if not (path.suffix.lower() == ".img" and without_ending(path) in headers)]


def names_a_class(folder: Path) -> bool:
    """Tell whether a folder is called like a class of one of our tasks."""
    return any(task.class_of(folder.name) for task in TASKS.values())


def is_volume_name(path: Path) -> bool:
    """Tell whether a file is called like a volume: NIfTI, or the header of a pair."""
    return path.name.lower().endswith(VOLUME_ENDINGS)


def without_ending(path: Path) -> str:
    """Return a file's name without ".nii", ".nii.gz", ".hdr" or whatever it ends in."""
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def class_name(value: object, *, column: str = "cdr") -> str:
    """Return what a table says of a person as a class: a rating in a column "cdr" by its stage, anything else as it is.

    >>> class_name("0.5"), class_name("AD", column="dx"), class_name("n/a")
    ('Very Mild Demented', 'AD', '')
    """
    text = str(value).strip()
    if text.lower() in NOBODY_SAID:
        return ""
    if column.lower() != "cdr":
        return text
    try:
        rating = float(text)
    except ValueError:
        return text
    return next((name for least, name in reversed(CDR_CLASSES) if rating >= least), "")


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.name not in IGNORED)
