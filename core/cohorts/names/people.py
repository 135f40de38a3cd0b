"""Whose file this is, by its name or by a table: patterns of the public sets, one of one's own, or a list of ids."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from core.cohorts.names.columns import PATH, SESSION, SUBJECT
from core.errors import CohortError
from core.tables import read_table, received
from core.words import either

# In the path within the cohort's folder; two visits of one person have one subject. Tried in this order.
_AT, _END = r"(?:^|(?<=[/_\-. ]))", r"(?![a-z0-9])"
PATTERNS = {
    "BIDS": rf"(?:^|(?<=[/_]))(?P<subject>sub-[a-z0-9]+)(?:[/_](?P<session>ses-[a-z0-9]+))?{_END}",
    "OASIS": rf"{_AT}(?P<subject>OAS[12]_\d{{4}})(?:_(?P<session>MR\d+))?{_END}",
    "OASIS-3": rf"{_AT}(?P<subject>OAS[34]\d{{4}})(?:_[a-z0-9]+)?_(?P<session>d\d+){_END}",
    "ADNI": rf"{_AT}(?P<subject>\d{{3}}_S_\d{{4,5}}){_END}",
    "AIBL": rf"{_AT}(?P<subject>(?:AIBL|PPMI|ICBM|NIFD)_\d+){_END}",
    "MIRIAD": rf"{_AT}(?P<subject>miriad_\d+)_[a-z]+_[mf]_(?P<session>\d+){_END}",
    "IXI": rf"{_AT}(?P<subject>IXI\d{{3}}){_END}",
    "TCGA": rf"{_AT}(?P<subject>TCGA[_-][a-z0-9]{{2}}[_-][a-z0-9]{{4}})(?:[_-](?P<session>\d{{8}}))?{_END}",
    "BraTS": rf"{_AT}(?P<subject>BraTS-[a-z]+-\d{{5}})-(?P<session>\d{{3}}){_END}",
    "UPENN-GBM, UCSF-PDGM": rf"{_AT}(?P<subject>(?:UPENN-GBM|UCSF-PDGM)-\d+)(?:_(?P<session>\d+))?{_END}",
}
KNOWN = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in PATTERNS.items()}
UNNAMED = "file"  # every file is taken for one person
HOW_TO_NAME = (
    "Name people with --subjects TABLE (path and subject) or --subject-pattern '(?P<subject>…)', a regular expression."
)


@dataclass(frozen=True)
class Naming:
    """How the person asks for people to be named.

    Attributes:
        pattern: A regular expression with a group "subject", and optionally "session", searched for in each file's path
            within its folder; "" for none.
        table: A table of ids with a column for the path and one for the subject; None for none.
    """

    pattern: str = ""
    table: Path | None = None

    @property
    def asked(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.pattern) or self.table is not None


AUTOMATIC = Naming()


@dataclass(frozen=True)
class Named:
    """Whose files these are.

    Attributes:
        subjects: N names of people; "" where nothing names one.
        sessions: N names of visits, or "".
        how: N words on how it is known: the name of a pattern, "pattern", "table", or "".
    """

    subjects: tuple[str, ...]
    sessions: tuple[str, ...]
    how: tuple[str, ...]


def named_people(paths: Sequence[str], root: Path, naming: Naming = AUTOMATIC) -> Named:
    """Find out from names, or from a table of ids, whose files these are.

    Args:
        paths: N files within `root`.
        root: The cohort's folder.
        naming: What the person asks for; by default the patterns of the public sets are tried.

    Raises:
        CohortError: The pattern is none, or it or the table names nobody for some of the files.
    """
    if naming.pattern and naming.table is not None:
        raise CohortError("people are named by a table or by a pattern; give one of --subjects and --subject-pattern.")
    if naming.table is not None:
        return _by_table(paths, naming.table)
    inside = [_inside(path, root) for path in paths]
    if naming.pattern:
        return _by_pattern(inside, naming.pattern)
    found = [next(((name, hit) for name, one in KNOWN.items() if (hit := one.search(path))), None) for path in inside]
    # Capitals differ between the copies of a set, its people do not
    return Named(
        tuple("" if one is None else _spelt(one[1]["subject"]) for one in found),
        tuple("" if one is None else (one[1].groupdict().get("session") or "") for one in found),
        tuple("" if one is None else one[0] for one in found),
    )


def rows_by_path(known: Sequence[str], paths: Sequence[str], *, bare: bool = False) -> list[int | None]:
    """Find the row of a table that belongs to each path, by how they end.

    Args:
        known: Paths in the table.
        paths: N files.
        bare: Whether a row that is a file's name alone fits every file of that name; else folder and name must agree.

    Returns:
        N rows; None where no row fits, or two do.
    """
    parts = [PurePosixPath(path.replace("\\", "/")).parts for path in known]
    longest = max((len(one) for one in parts), default=0)
    by_length: dict[int, dict[tuple[str, ...], int | None]] = {}
    for length in range(longest, 0, -1):
        tails: dict[tuple[str, ...], int | None] = {}
        for row, one in enumerate(parts):
            if length > 1 or (bare and len(one) == 1):
                tail = one[-length:]
                tails[tail] = None if tail in tails else row  # ambiguous between two rows
        by_length[length] = tails
    rows: list[int | None] = []
    for path in paths:
        own = Path(path).parts
        found = (tails.get(own[-length:]) for length, tails in by_length.items())
        rows.append(next((row for row in found if row is not None), None))
    return rows


def notes_on(table: pd.DataFrame) -> tuple[str, ...]:
    """Say how the people of a table of files are known, and loudly where every file is taken for one person.

    Args:
        table: With the columns path, subject and `named_by`, as of `core.cohorts.index_volumes`.
    """
    if "named_by" not in table:
        return ()
    counts = table["named_by"].value_counts()
    alone = int(counts.get(UNNAMED, 0))
    notes = [f"People as the files' names say: {name}." for name in KNOWN if name in counts]
    if alone:
        which = "Nothing names the people here" if alone == len(table) else f"Nothing names the people of {alone} files"
        notes.append(
            f"WARNING: {which}: every file is taken for one person, so that two visits of one person count as two "
            f"people and may lie in two parts. {HOW_TO_NAME}"
        )
    return tuple(notes)


def _by_table(paths: Sequence[str], table: Path) -> Named:
    what = "a table of ids"
    ids = read_table(table, what, columns={"path": PATH, "subject": SUBJECT, "session": SESSION}, verbatim=("path",))
    for name in ("path", "subject"):
        if name not in ids:
            raise CohortError(f"{table} is not {what}: it has no column for the {name}.{received(ids, (name,))}")
    ids = ids.drop_duplicates([name for name in ("path", "subject", "session") if name in ids])
    _check_ids(ids, table)
    rows = rows_by_path(ids["path"].tolist(), paths, bare=True)
    lost = [path for path, row in zip(paths, rows, strict=True) if row is None or not ids["subject"].iloc[row]]
    if lost:
        raise CohortError(
            f"{table} names nobody for {len(lost)} of {len(paths)} files, the first {Path(lost[0]).name}; its paths "
            "must end as the files' do, with the folder where two files have one name."
        )
    found = ids.iloc[[row for row in rows if row is not None]]
    files = pd.Series(list(paths)).groupby(found.index.to_numpy()).nunique()
    if (files > 1).any():
        raise CohortError(
            f"{table}, line {files.index[files > 1][0]}: {int(files.max())} files are called so; give their folders, "
            "too."
        )
    sessions = found["session"] if "session" in found else pd.Series("", index=found.index)
    return Named(tuple(found["subject"]), tuple(sessions), ("table",) * len(found))


def _check_ids(ids: pd.DataFrame, table: Path) -> None:
    """See that no scan is two people's, and that no two ids are one written in two ways, which nobody can know."""
    twice = ids[ids.duplicated("path", keep=False) & (ids["path"] != "")]
    if len(twice):
        lines = " and ".join(str(line) for line in twice.index[twice["path"] == twice["path"].iloc[0]][:2])
        raise CohortError(f"{table}, lines {lines}: one scan, named twice; keep the line that is right.")
    names = pd.Series(ids["subject"].unique())
    alike = names.groupby(
        names.str.casefold().str.replace(r"\.0+$", "", regex=True).str.replace(r"^0+(?=\d)", "", regex=True)
    )
    alike = alike.unique()
    several = alike[alike.map(len) > 1]
    if len(several):
        raise CohortError(
            f"{table} names {either([str(name) for name in several.iloc[0]], 'and')}, which differ only in capitals, "
            "zeros in front or a decimal zero; write the ids of one person alike."
        )


def _by_pattern(inside: Sequence[str], pattern: str) -> Named:
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise CohortError(f"the subject pattern is no regular expression: {error}. Received: {pattern}") from error
    if "subject" not in wanted.groupindex:
        raise CohortError(f"the subject pattern needs a group (?P<subject>…). Received: {pattern}")
    hits = [wanted.search(path) for path in inside]
    lost = [path for path, hit in zip(inside, hits, strict=True) if hit is None or not hit["subject"]]
    if lost:
        raise CohortError(
            f"the subject pattern finds nobody in the names of {len(lost)} of {len(inside)} files, the first {lost[0]}."
        )
    groups = [hit.groupdict() for hit in hits if hit is not None]
    sessions = tuple(one.get("session") or "" for one in groups)
    return Named(tuple(str(one["subject"]) for one in groups), sessions, ("pattern",) * len(groups))


def _inside(path: str, root: Path) -> str:
    one = Path(path)
    return (one.relative_to(root) if one.is_relative_to(root) else one).as_posix()


def _spelt(subject: str) -> str:
    return subject if subject.startswith("sub-") else subject.upper().replace("MIRIAD", "miriad")
