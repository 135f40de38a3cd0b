"""FOLDER/<table>.csv with one row per volume: the file, its class and, optionally, the person and the visit."""

from collections.abc import Iterator
from pathlib import Path

from core.cohorts.layout import Entry, Layout, class_name, is_volume_name, label_column, visible_files
from core.cohorts.names.columns import LABEL, PATH, SESSION, SUBJECT
from core.errors import CohortError
from core.tables import read_table, received

ENDINGS = (".csv", ".tsv")
NOT_TABLES = ("manifest.csv", "left_out.csv")


def _table(folder: Path) -> Path | None:
    files = [path for path in visible_files(folder) if path.name.lower() not in NOT_TABLES]
    by_ending = ([path for path in files if path.suffix.lower() == ending] for ending in ENDINGS)
    tables: list[Path] = next(filter(None, by_ending), [])
    return tables[0] if len(tables) == 1 else None


def _matches(folder: Path) -> bool:
    return _table(folder) is not None and any(is_volume_name(path) for path in folder.rglob("*"))


def _entries(folder: Path) -> Iterator[Entry]:
    path = _table(folder)
    assert path is not None  # noqa: S101 - checked by _matches
    columns = {"path": PATH, "subject": SUBJECT, "session": SESSION}
    table = read_table(path, "a table of volumes", columns=columns, verbatim=("path",))
    label = label_column(table)
    if "path" not in table or label is None:
        raise CohortError(
            f"{path.name} needs a column for the file ({', '.join(PATH)}) and one for the class ({', '.join(LABEL)})."
            f"{received(table, ('path', 'diagnosis'))}"
        )
    for line, row in table.iterrows():
        scan = folder / row["path"]
        if not row["path"] or not scan.resolve().is_relative_to(folder.resolve()) or not scan.is_file():
            raise CohortError(f"{path.name}, line {line}, names {row['path']!r}, which is not a file in {folder}.")
        who, visit = (str(row.get(name, "")) for name in ("subject", "session"))
        yield Entry(scan, class_name(row[label], column=label), subject=who, session=visit)


LAYOUT = Layout("table of volumes", 6, _matches, _entries, volumes=True)
