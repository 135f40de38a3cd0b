"""The record that every layout of `core.cohorts.layouts` exports, and what the layouts share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.cohorts.names.columns import LABEL
from core.cohorts.tasks import ALZHEIMER, TASKS

VOLUME_ENDINGS = (
    *(".nii", ".nii.gz", ".hdr", ".mgz", ".mgh", ".mnc", ".mnc.gz", ".head", ".par", ".mha", ".mhd", ".nrrd", ".nhdr"),
)
UNKNOWN = frozenset({"", "nan", "n/a", "na", "none", "?"})
CDR_CLASSES = tuple(zip((0.0, 0.5, 1.0, 2.0), ALZHEIMER.classes, strict=True))  # Morris, Neurology 43:2412, 1993
# A folder that holds nothing else is no class
NOT_SCANS = frozenset(
    {".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".pdf", ".html", ".xlsx", ".xls", ".docx", ".doc", ".py", ".ipynb"}
    | {".toml", ".yml", ".yaml", ".zip", ".rar", ".7z", ".h5", ".keras", ".log", ".rtf"}
)
IGNORED = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Entry:
    """One scan of a cohort.

    Attributes:
        path: The file; the header, for a header with its image.
        label: Its class as the folder or the table calls it; "" if unknown.
        part: The part (train, test …) it came in, or "".
        subject: The person, if the layout gives it; "" otherwise.
        session: The visit, if the layout gives it; "" otherwise.
        height_mm: Height of a slice in standard space, if the layout gives it; NaN otherwise.
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
        priority: Layouts are tried in this order, lowest first.
        matches: Whether a folder has this layout.
        entries: The files of such a folder, in a fixed order.
        volumes: Whether its scans are always volumes; in other layouts the file names decide.
    """

    name: str
    priority: int
    matches: Callable[[Path], bool]
    entries: Callable[[Path], Iterator[Entry]]
    volumes: bool = False


def visible_folders(folder: Path) -> list[Path]:
    """List the folders in a folder, sorted, without those that operating systems leave behind."""
    return [path for path in _visible(folder) if path.is_dir()]


def visible_files(folder: Path) -> list[Path]:
    """List the scans in a folder, sorted, without system files and without images that belong to a header."""
    files = [path for path in _visible(folder) if path.is_file()]
    headers = {without_ending(path) for path in files if path.suffix.lower() == ".hdr"}
    return [path for path in files if not (path.suffix.lower() == ".img" and without_ending(path) in headers)]


def holds_scans(folder: Path) -> bool:
    """Tell whether a folder holds files that may be scans, judging by their names."""
    return any(path.suffix.lower() not in NOT_SCANS for path in visible_files(folder))


def names_a_class(folder: Path) -> bool:
    """Tell whether a folder has the name of a class of one of our tasks."""
    return any(task.class_of(folder.name) for task in TASKS.values())


def is_volume_name(path: Path) -> bool:
    """Tell whether a file has the name of a volume, or of the header of one."""
    return path.name.lower().endswith(VOLUME_ENDINGS)


def without_ending(path: Path) -> str:
    """Return a file's name without ".nii", ".nii.gz", ".hdr" or any other ending."""
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def class_name(value: object, *, column: str = "cdr") -> str:
    """Return a table's entry for a person as a class: a rating in a column "cdr" as its stage, anything else unchanged.

    >>> class_name("0.5"), class_name("AD", column="dx"), class_name("n/a")
    ('Very Mild Demented', 'AD', '')
    """
    text = str(value).strip()
    if text.lower() in UNKNOWN:
        return ""
    if column.lower() != "cdr":
        return text
    try:
        rating = float(text.replace(",", "."))
    except ValueError:
        return text
    return next((name for least, name in reversed(CDR_CLASSES) if rating >= least), "")


def label_column(table: pd.DataFrame) -> str | None:
    """Return the name of a table's column of classes, ratings before diagnoses; None without one."""
    by_name = {"".join(letter for letter in name.lower() if letter.isalnum()): name for name in table.columns}
    found = (by_name.get(name.replace("_", "")) for name in LABEL)
    return next((name for name in found if name is not None), None)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.name not in IGNORED)
