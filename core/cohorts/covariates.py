"""A table of people: their age, sex and site, matched to the scans by path or by subject."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from core.errors import CohortError

COVARIATES = ("age", "sex", "site")
KEYS = ("path", "person", "subject")
LEAST_PARTS = 2  # of a path that must agree: the folder and the name


def read_subjects(path: str | Path) -> pd.DataFrame:
    """Read a table of people.

    Args:
        path: A CSV with one of the columns path, person or subject, and one or more of age (years), sex and site.

    Raises:
        CohortError: It cannot be read, lacks such columns, or has ages that are not numbers.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except OSError as error:
        raise CohortError(f"{path} is not a table of people: {error.strerror}.") from error
    except ValueError as error:
        raise CohortError(f"{path} is not a table of people: {str(error).splitlines()[0]}.") from error
    table.columns = [name.strip().lower() for name in table.columns]
    if not set(KEYS) & set(table.columns):
        raise CohortError(f"{path} is not a table of people: it has none of the columns {', '.join(KEYS)}.")
    found = [name for name in COVARIATES if name in table.columns]
    if not found:
        raise CohortError(f"{path} is not a table of people: it has none of the columns {', '.join(COVARIATES)}.")
    if "age" in found:
        ages = pd.to_numeric(table["age"].replace("", None), errors="coerce")
        wrong = table.loc[ages.isna() & (table["age"] != ""), "age"]
        if len(wrong):
            raise CohortError(f"{path}: the age {wrong.iloc[0]!r} is not a number; give years, or leave it empty.")
        table["age"] = ages
    return table[[name for name in (*KEYS, *COVARIATES) if name in table.columns]]


def covariates_of(people: pd.DataFrame, paths: Sequence[str], subjects: Sequence[str]) -> pd.DataFrame:
    """Look up each scan in a table of people.

    Args:
        people: As `read_subjects` returns it.
        paths: N paths of scans; a row's path matches if the scan's path ends with it, or if their last parts agree
            and no other row has the same ones.
        subjects: N names of people, for tables without paths.

    Returns:
        N rows with those of the columns age, sex and site that the table has; NaN or "" for unknown values.

    Raises:
        CohortError: None of the scans is in the table.
    """
    columns = [name for name in COVARIATES if name in people.columns]
    by_path = "path" in people.columns
    rows = _rows_by_path(people["path"].tolist(), paths) if by_path else _rows_by_name(people, subjects)
    if all(row is None for row in rows):
        raise CohortError("none of these scans is in the table of people; check its paths or names.")
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
            tails[tail] = None if tail in tails else row  # ambiguous between two rows
        by_length[length] = tails
    rows: list[int | None] = []
    for path in paths:
        own = Path(path).parts
        found = (tails.get(own[-length:]) for length, tails in by_length.items())
        rows.append(next((row for row in found if row is not None), None))
    return rows
