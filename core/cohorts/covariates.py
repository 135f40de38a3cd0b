"""A table of people: their age, sex and site, matched to the scans by path or by subject."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from core.cohorts.names.columns import AGE, BEST_MMSE, MMSE, OLDEST, PATH, SESSION, SEX, SITE, SUBJECT
from core.cohorts.names.people import rows_by_path
from core.errors import CohortError
from core.tables import numbers, read_table, received

COVARIATES = ("age", "sex", "site")
COLUMNS = {"path": PATH, "subject": SUBJECT, "session": SESSION, "age": AGE, "sex": SEX, "site": SITE, "mmse": MMSE}
NUMBERS = {"age": ("age", "years", OLDEST), "mmse": ("MMSE", "points", BEST_MMSE)}
WHAT = "a table of people"
PLURALS = {"age": "ages", "sex": "sexes"}


def read_subjects(path: str | Path) -> pd.DataFrame:
    """Read a table of people.

    Args:
        path: A table, as `core.tables` reads it, with a column for the path or the subject (person, participant_id,
            PTID, RID, ID, patient), and one or more of age (years), sex and site; a column session tells the visits of
            one person apart.

    Returns:
        Those of the columns path, subject, session, age (float64), sex, site and mmse (float64) that it has;
        `attrs["unused"]` names the others.

    Raises:
        CohortError: It cannot be read, lacks such columns, has impossible ages or scores, or a person of two ages or
            sexes.
    """
    table = read_table(path, WHAT, columns=COLUMNS, verbatim=("path",))
    for names, said in ((("path", "subject"), "path, person, subject"), (COVARIATES, ", ".join(COVARIATES))):
        if not set(names) & set(table.columns):
            raise CohortError(f"{path} is not {WHAT}: it has none of the columns {said}.{received(table, names)}")
    for name, (title, unit, most) in NUMBERS.items():
        if name not in table:
            continue
        table[name] = numbers(table, name, path, unit)
        impossible = table.index[(table[name] < 0) | (table[name] > most)]
        if len(impossible):
            line = impossible[0]
            raise CohortError(
                f"{path}, line {line}: the {title} {table[name][line]:g} is impossible; expected {unit} from 0 to "
                f"{most:g}."
            )
    _consistent(table, path)
    known = [name for name in COLUMNS if name in table]
    found = table[known].reset_index(drop=True)
    found.attrs["unused"] = tuple(name for name in table.columns if name not in known)
    return found


def _consistent(table: pd.DataFrame, path: str | Path) -> None:
    """Refuse a person with two sexes, or with two ages at one visit; of a table without people, a path with two."""
    who = "subject" if "subject" in table else "path"
    for fact in ("age", "sex"):
        if fact not in table:
            continue
        known = table[(table[who] != "") & table[fact].notna() & (table[fact] != "")]
        visits = [who, "session"] if fact == "age" and "session" in known else [who]
        first = known.groupby(visits)[fact].transform("first")
        other = known.index[first != known[fact]]
        if len(other):
            line = other[0]
            earlier = known.index[(known[visits] == known.loc[line, visits]).all(axis=1)][0]
            hint = "; if these are two visits, name them in a column session" if fact == "age" else ""
            raise CohortError(
                f"{path}, lines {earlier} and {line}: one {who} has two {PLURALS[fact]}, {known[fact][earlier]} and "
                f"{known[fact][line]}{hint}."
            )


def covariates_of(
    people: pd.DataFrame, paths: Sequence[str], subjects: Sequence[str], *, names: Sequence[str] = COVARIATES
) -> pd.DataFrame:
    """Look up each scan in a table of people.

    Args:
        people: As `read_subjects` returns it.
        paths: N paths of scans; a row's path matches if the scan's path ends with it, or if their last parts agree
            and no other row has the same ones.
        subjects: N names of people, for tables without paths.
        names: The columns wanted.

    Returns:
        N rows with those of the columns that the table has; NaN or "" for unknown values.

    Raises:
        CohortError: None of the scans is in the table.
    """
    columns = [name for name in names if name in people.columns]
    by_path = "path" in people.columns
    rows = rows_by_path(people["path"].tolist(), paths) if by_path else _rows_by_name(people, subjects)
    if all(row is None for row in rows):
        raise CohortError("none of these scans is in the table of people; check its paths or names.")
    empty = {name: float("nan") if name in NUMBERS else "" for name in columns}
    values = people[columns].to_dict("records")
    return pd.DataFrame([empty if row is None else values[row] for row in rows], columns=columns)


def _rows_by_name(people: pd.DataFrame, subjects: Sequence[str]) -> list[int | None]:
    row_of: dict[str, int] = {}
    for row, name in enumerate(people["subject"]):
        if name:
            row_of.setdefault(name, row)  # of several visits, the first
    return [row_of.get(name) for name in subjects]
