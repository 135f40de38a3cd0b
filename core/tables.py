"""The one reader of tables that people wrote: CSV as Excel, BIDS and ADNI write it.

Commas, semicolons, tabs or bars; UTF-8 with and without a mark, UTF-16, Windows-1252; spaces around values; numbers
with a decimal comma; "NA" and "n/a" for what is not known. Whatever is wrong is said with the number of its line.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from core.errors import CohortError
from core.files import read_file

DELIMITERS = "\t;,|"  # the likeliest first where a header has as many of two
MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "-", "?", "."})
SPACES = " \t\u00a0\u200b\ufeff"
MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
NO_TEXT = "it is not text in UTF-8, UTF-16 or Windows-1252"
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")

Columns = Mapping[str, Sequence[str]]  # our name of a column -> the names it goes by, the likeliest first


def read_table(
    path: str | Path, what: str, *, columns: Columns, verbatim: Sequence[str] = (), empty: bool = False
) -> pd.DataFrame:
    """Read a table.

    Args:
        path: A text file with a header and a row a line.
        what: What it should be, in errors: "a table of people".
        columns: The columns that are known, by our names and those they go by, whatever their case, spaces and signs.
        verbatim: Columns in which "NA" and the like are values, such as the names of classes and files.
        empty: Whether a header without rows is a table.

    Returns:
        Text, known columns by our names, others as they are called; "" where a value is missing; the index is the line
        of each row, counted from 1. `attrs["known"]` names the known columns that it has.

    Raises:
        CohortError: It cannot be read, is no text, has no rows, or one with too many values.
    """
    refused = f"{path} is not {what}"
    lines, rows = _rows(_decoded(_bytes(Path(path), refused), refused), refused)
    if not rows:
        raise CohortError(f"{refused}: it is empty.")
    names = _named(rows[0], columns, refused)
    if len(rows) == 1 and not empty:
        raise CohortError(f"{refused}: it has a header ({', '.join(names)}) and no rows.")
    for line, row in zip(lines[1:], rows[1:], strict=True):
        if any(row[len(names) :]):
            raise CohortError(
                f"{refused}: line {line} has {len(row)} values where the header has {len(names)}; put values with a "
                "comma in quotation marks, or separate columns by semicolons."
            )
    full = [[*row, *[""] * len(names)][: len(names)] for row in rows[1:]]
    table = pd.DataFrame(full, columns=names, index=pd.Index(lines[1:], name="line"), dtype=str)
    table.attrs["known"] = tuple(name for name in names if name in columns)
    for name in table.columns:
        if name not in verbatim:
            table[name] = table[name].where(~table[name].str.lower().isin(MISSING), "")
    return table


def require(table: pd.DataFrame, path: str | Path, what: str, *, names: Sequence[str]) -> None:
    """Refuse a table that lacks a column.

    Raises:
        CohortError: It does; says what columns there are, and which may have been meant.
    """
    missing = [name for name in names if name not in table]
    if missing:
        raise CohortError(f"{path} is not {what}: it has no column {', '.join(missing)}.{received(table, missing)}")


def received(table: pd.DataFrame, needed: Sequence[str]) -> str:
    """Return what ends an error: which columns are missing if some are there, what there is, and what may be misspelt.

    Args:
        table: As read by `read_table`; a column that is known is no other one, misspelt.
        needed: Names of columns.
    """
    columns = [name for name in table.columns if isinstance(name, str)]
    missing = [name for name in needed if name not in columns]
    others = [name for name in columns if name not in {*needed, *table.attrs.get("known", ())}]
    near = ((name, get_close_matches(name, others, 1, 0.7)) for name in missing)
    meant = next((f" Is {found[0]!r} the column {name}, misspelt?" for name, found in near if found), "")
    lacks = f" Missing: {', '.join(missing)}." if 0 < len(missing) < len(needed) else ""
    return f"{lacks} Received: {', '.join(columns)}.{meant}"


def numbers(table: pd.DataFrame, column: str, path: str | Path, unit: str = "a number") -> pd.Series:
    """Return a column as numbers, float64; NaN where it is empty. A decimal comma is a point.

    Raises:
        CohortError: A value is no finite number; says in which line.
    """
    given = table[column].str.replace(r"^([-+]?\d+),(\d+)$", r"\1.\2", regex=True)
    found = pd.to_numeric(given.replace("", None), errors="coerce").astype(float)
    wrong = (found.isna() & (given != "")) | found.abs().eq(float("inf"))
    if wrong.any():
        line = table.index[wrong][0]
        raise CohortError(
            f"{path}, line {line}: the {column} {table[column][line]!r} is not a number; give {unit}, or leave it "
            "empty."
        )
    return found


def _bytes(path: Path, refused: str) -> bytes:
    try:
        return read_file(path)
    except FileNotFoundError as error:
        raise CohortError(f"{refused}: there is no such file.") from error
    except OSError as error:
        raise CohortError(f"{refused}: {error.strerror}.") from error


def _rows(text: str, refused: str) -> tuple[list[int], list[list[str]]]:
    """Return the number of each row's last line, and the rows, the header first, without empty ones."""
    lines, delimiter, skipped = text.splitlines(keepends=True), "", 0
    said = re.fullmatch(r"sep=(.)", lines[0].strip(SPACES + "\r\n"), re.IGNORECASE) if lines else None
    if said:  # Excel's first line
        lines, delimiter, skipped = lines[1:], said.group(1), 1
    header = next((line for line in lines if line.strip(SPACES + "\r\n")), "")
    reader = csv.reader(io.StringIO("".join(lines), newline=""), delimiter=delimiter or _delimiter(header))
    numbers: list[int] = []
    rows: list[list[str]] = []
    try:
        for row in reader:
            values = [value.strip(SPACES + "\r\n") for value in row]
            if any(values):
                numbers.append(reader.line_num + skipped)
                rows.append(values)
    except csv.Error as error:
        raise CohortError(f"{refused}: line {reader.line_num + skipped}: {error}.") from error
    return numbers, rows


def _decoded(data: bytes, refused: str) -> str:
    if data.startswith(WORKBOOKS):
        raise CohortError(f"{refused}: it is an Excel workbook; save it as CSV there, and give that.")
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), None)
    if encoding is None and b"\0" in data:  # UTF-16 without its mark: every other byte of plain text is zero
        even, odd = data[::2].count(0), data[1::2].count(0)
        if even + odd < len(data) / 4:
            raise CohortError(f"{refused}: {NO_TEXT}.")
        encoding = "utf-16-le" if odd > even else "utf-16-be"
    for tried in (encoding,) if encoding else ("utf-8", "cp1252"):
        try:
            text = data.decode(tried)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise CohortError(f"{refused}: {NO_TEXT}.")


def _delimiter(header: str) -> str:
    outside = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=outside.count)


def _named(header: list[str], columns: Columns, refused: str) -> list[str]:
    """Return the columns' names, those that are known by our names."""
    while header and not header[-1]:
        header = header[:-1]
    plain = [_plain(name) for name in header]
    for number, name in enumerate(plain):
        if name and plain.index(name) < number:
            raise CohortError(f"{refused}: it has the column {header[number]!r} twice.")
    names = list(header)
    for ours, spellings in columns.items():
        places = [plain.index(one) for one in map(_plain, (ours, *spellings)) if one in plain]
        if places:
            names[places[0]] = ours
    return [name or f"column {number}" for number, name in enumerate(names, start=1)]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
