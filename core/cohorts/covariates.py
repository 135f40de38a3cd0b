"""A table of people: age, sex and site beside the scans, joined by path or by person."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from core.errors import CohortError

COVARIATES = ("age", "sex", "site")
KEYS = ("path", "person", "subject")
LEAST_PARTS = 2  # of a path that is compared: the folder and the name


def read_subjects(path: str | Path) -> pd.DataFrame:
    """Read a table of people.

    Args:
        path: A CSV with one of the columns path, person or subject, and one or more of age (years), sex and site.

    Raises:
        CohortError: It cannot be read, lacks such columns, or holds ages that are no numbers.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except OSError as error:
        raise CohortError(f"{path} is no table of people: {error.strerror}.") from error
    except ValueError as error:
        raise CohortError(f"{path} is no table of people: {str(error).splitlines()[0]}.") from error
    table.columns = [name.strip().lower() for name in table.columns]
    if not set(KEYS) & set(table.columns):
        raise CohortError(f"{path} is no table of people: it has none of the columns {', '.join(KEYS)}.")
    found = [name for name in COVARIATES if name in table.columns]
    if not found:
        raise CohortError(f"{path} is no table of people: it has none of the columns {', '.join(COVARIATES)}.")
    if "age" in found:
        ages = pd.to_numeric(table["age"].replace("", None), errors="coerce")
        wrong = table.loc[ages.isna() & (table["age"] != ""), "age"]
        if len(wrong):
            raise CohortError(f"{path}: the age {wrong.iloc[0]!r} is no number.")
        table["age"] = ages
    return table[[name for name in (*KEYS, *COVARIATES) if name in table.columns]]


def covariates_of(people: pd.DataFrame, paths: Sequence[str], subjects: Sequence[str]) -> pd.DataFrame:
    """Look up each scan in a table of people.

    Args:
        people: As `read_subjects` gives it.
        paths: N paths of scans; a table's path matches when it is how the scan's path ends, or when their last parts
            are the same and no other row has them.
        subjects: N names of people, for tables without paths.

    Returns:
        N rows with the table's columns among age, sex and site; NaN or "" where nothing is known.

    Raises:
        CohortError: No scan is in the table.
    """
    columns = [name for name in COVARIATES if name in people.columns]
    by_path = "path" in people.columns
    rows = _rows_by_path(people["path"].tolist(), paths) if by_path else _rows_by_name(people, subjects)
    if all(row is None for row in rows):
        raise CohortError("none of these scans is in the table of people.")
    empty = {name: float("nan") if name == "age" else "" for name in columns}
    values = people[columns].to_dict("records")
    return pd.DataFrame([empty if row is None else values[row] for row in rows], columns=columns)


def _rows_by_name(people: pd.DataFrame, subjects: Sequence[str]) -> list[int | None]:
    key = "person" if "person" in people.columns else "subject"
    row_of = {name: row for row, name in enumerate(people[key])}
    return [row_of.get(name) for name in subjects]


def _rows_by_path(known: Sequence[str], paths: Sequence[str]) -> list[int | None]:
    parts = [PurePosixPath(path.replace("\\", "/")).parts for path in known]
    longest = max((len(one) for one in parts), default=0)
    by_length: dict[int, dict[tuple[str, ...], int | None]] = {}
    for length in range(longest, LEAST_PARTS - 1, -1):
        tails: dict[tuple[str, ...], int | None] = {}
        for row, one in enumerate(parts):
            tail = one[-length:]
            tails[tail] = None if tail in tails else row  # of two rows nobody knows which is meant
        by_length[length] = tails
    rows: list[int | None] = []
    for path in paths:
        own = Path(path).parts
        found = (tails.get(own[-length:]) for length, tails in by_length.items())
        rows.append(next((row for row in found if row is not None), None))
    return rows
