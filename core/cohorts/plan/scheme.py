"""Which scheme splits a table of files, what it tears apart, and what it leaves out."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.cohorts.split import PARTS, SPLITTERS, by_groups, default_scheme

SCHEMES = ("auto", *SPLITTERS)
INSTEAD = "People cannot be told apart here; near copies were kept together instead."
UNKNOWN = "People are not known here: nobody can say whether one of them lies in several parts."
KEPT = ("test", "val", "train")  # of copies in several parts, where all but one are removed


@dataclass(frozen=True, eq=False)
class Planned:
    """A split, and what must be said of it.

    Attributes:
        split: The split table; its `by` says what was done.
        notes: A sentence each.
    """

    split: pd.DataFrame
    notes: tuple[str, ...] = ()


def plan_split(table: pd.DataFrame, by: str = "auto", *, seed: int, drop_copies: bool = False) -> Planned:
    """Split a table of files.

    Args:
        table: As of `core.cohorts.plan.files_of`.
        by: A scheme of SCHEMES; "auto" takes the parts that the set came in, else people, else groups of near copies.
        seed: The same seed gives the same parts.
        drop_copies: Whether of files that are copies of each other and lie in several parts only those of one part
            stay: of the test part if any lies there, else of the validation part.

    Raises:
        CohortError: The scheme is impossible here; says why.
    """
    scheme = default_scheme(table) if by == "auto" else by
    split = SPLITTERS[scheme](table, seed=seed)
    notes = []
    if by_groups(table) != "subject":
        notes.append(INSTEAD if scheme == "subject" else UNKNOWN)
    across = _across(table, split["part"])
    if across.any() and drop_copies:
        rank = split["part"].map(KEPT.index)
        best = rank.groupby(_groups(table)).transform("min")
        gone = across & (rank != best)
        split = split[~gone].reset_index(drop=True)
        notes.append(f"{int(gone.sum())} files were left out: they are copies of files in another part.")
    elif across.any():
        notes.append(_copies_note(table, split["part"], across))
    return Planned(split, tuple(notes))


def _groups(table: pd.DataFrame) -> pd.Series:
    """Return the name of each file's group of copies."""
    return table["copies"].where(table["copies"] != "", table["sha256"])


def _across(table: pd.DataFrame, part: pd.Series) -> pd.Series:
    """Tell for each file whether it has a copy in another part."""
    if not {"copies", "sha256"} <= set(table.columns):
        return pd.Series(data=False, index=table.index)
    return part.groupby(_groups(table)).transform("nunique") > 1


def _copies_note(table: pd.DataFrame, part: pd.Series, across: pd.Series) -> str:
    groups = _groups(table)[across]
    first = across & (_groups(table) == groups.iloc[0])
    pair = [f"{name}: {Path(table['path'][first & (part == name)].iloc[0]).name}" for name in PARTS
            if (first & (part == name)).any()]  # fmt: skip
    tested = int((across & (part == "test")).sum())
    return (
        f"WARNING: {groups.nunique()} groups of copies lie in several parts ({' = '.join(pair)}); {tested} files of "
        "the test part have a copy elsewhere, so that its metrics are too good. --drop-copies leaves the others out."
    )
