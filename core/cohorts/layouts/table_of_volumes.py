"""FOLDER/<table>.csv with one row per volume: the file, its class and, optionally, the person and the visit."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from core.cohorts.layout import Entry, Layout, class_name, is_volume_name, visible_files, without_ending
from core.cohorts.layouts.bids import CLASS_COLUMNS
from core.errors import CohortError

PATH_COLUMNS = ("path", "file", "filename", "image", "scan")
SUBJECT_COLUMNS = ("subject", "subject_id", "participant_id", "patient", "id")
SESSION_COLUMNS = ("session", "session_id", "visit")


def _table(folder: Path) -> Path | None:
    tables = [path for path in visible_files(folder) if path.suffix.lower() == ".csv" and path.name != "manifest.csv"]
    return tables[0] if len(tables) == 1 else None


def _matches(folder: Path) -> bool:
    return _table(folder) is not None and any(is_volume_name(path) for path in folder.rglob("*"))


def _entries(folder: Path) -> Iterator[Entry]:
    path = _table(folder)
    assert path is not None  # noqa: S101 - checked by _matches
    try:
        table = pd.read_csv(path, dtype=str).fillna("")
    except (OSError, ValueError) as error:
        raise CohortError(f"{path.name} is not a table: {str(error).splitlines()[0]}") from error
    columns = {name.strip().lower(): name for name in table.columns}
    file_column, label_column, subject_column, session_column = (
        next((columns[name] for name in names if name in columns), None)
        for names in (PATH_COLUMNS, CLASS_COLUMNS, SUBJECT_COLUMNS, SESSION_COLUMNS)
    )
    if file_column is None or label_column is None:
        raise CohortError(
            f"{path.name} needs a column for the file ({', '.join(PATH_COLUMNS)}) and one for the class "
            f"({', '.join(CLASS_COLUMNS)}). Received: {', '.join(table.columns)}"
        )
    for _, row in table.iterrows():
        scan = folder / row[file_column]
        if not scan.resolve().is_relative_to(folder.resolve()) or not scan.is_file():
            raise CohortError(f"{path.name} names {row[file_column]!r}, which is not a file in {folder}.")
        subject = str(row[subject_column]) if subject_column else without_ending(scan)
        session = str(row[session_column]) if session_column else ""
        label = class_name(row[label_column], column=label_column)
        yield Entry(scan, label, subject=subject, session=session)


LAYOUT = Layout("table of volumes", 6, _matches, _entries, volumes=True)
