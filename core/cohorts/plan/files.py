"""The files of a folder with their people and their task, and what must be said of them before they are split."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.cohorts.audit import Audit, audit_folder
from core.cohorts.cohort import holds_volumes, listed
from core.cohorts.layout import is_volume_name
from core.cohorts.names.people import AUTOMATIC, Naming, named_people, notes_on
from core.cohorts.plan.notices import notices
from core.cohorts.tasks import task_of_table, with_task
from core.cohorts.volumes import volume_table
from core.words import counted, people


@dataclass(frozen=True, eq=False)
class Files:
    """The files of a folder, ready to be split.

    Attributes:
        table: path, label, subject ("" where people are not known), slice, copies, came_in, sha256 and task.
        people_known: Whether `subject` tells people apart.
        notes: What must be said of them, a sentence each.
    """

    table: pd.DataFrame
    people_known: bool
    notes: tuple[str, ...] = ()


def files_of(folder: str | Path, naming: Naming = AUTOMATIC, *, ordered: bool = False) -> Files:
    """List what a folder holds: volumes by their names and tables, slices as the audit finds them.

    Args:
        folder: As for `core.cohorts.audit_folder` or `core.cohorts.index_volumes`.
        naming: Who is who, where the person says it.
        ordered: Whether classes of one's own are stages, in the order of their names.

    Raises:
        CohortError: The folder is not a cohort, or `naming` does not fit its files.
    """
    notes: tuple[str, ...]
    if holds_volumes(folder):
        table, known = volume_table(folder, naming), True
        notes = (*notes_on(table), *several_classes(table), *_no_volumes(folder))
    else:
        found, notes = named_audit(folder, naming)
        table, known = with_task(found.table, found.task), found.people_known
        notes = (*notes, *_left_out(found), *(f"WARNING: {doubt}" for doubt in found.doubts()))
        notes = (*notes, *(several_classes(table) if found.named else ()))
    table = with_task(table, task_of_table(table), ordered=ordered)
    return Files(table, known, (*notices(folder), *notes, *contradictions(table)))


def _no_volumes(folder: str | Path) -> tuple[str, ...]:
    """Say which files of a folder of volumes are none."""
    layout, entries, _ = listed(Path(folder))
    others = [] if layout.volumes else [entry.path for entry in entries if not is_volume_name(entry.path)]
    if not others:
        return ()
    return (f"WARNING: in no part: {counted(len(others), 'file')} beside the volumes, the first {others[0].name}.",)


def _left_out(found: Audit) -> tuple[str, ...]:
    """Say how many files an audit could not read, or set aside."""
    return tuple(
        f"WARNING: in no part: {counted(len(rows), 'file')} that {what}, the first {Path(rows['path'].iloc[0]).name}; "
        "audit says why."
        for what, rows in (("cannot be read", found.unreadable), ("the audit set aside", found.set_aside))
        if len(rows)
    )


def several_classes(table: pd.DataFrame) -> tuple[str, ...]:
    """Say where one person has scans in several classes, and how these are counted by subject."""
    classes = table[table["subject"] != ""].groupby("subject")["label"].unique()
    several = classes[classes.map(len) > 1]
    if several.empty:
        return ()
    return (
        f"WARNING: {people(len(several))} of {len(classes)} have scans in several classes, the first "
        f"{several.index[0]} ({', '.join(sorted(several.iloc[0]))}); counted by subject, each is of the class of most.",
    )


def named_audit(folder: str | Path, naming: Naming = AUTOMATIC) -> tuple[Audit, tuple[str, ...]]:
    """Audit a folder of slices; where a table, a pattern or the names of all files name the people, these it is.

    Args:
        folder: As for `core.cohorts.audit_folder`.
        naming: Who is who, where the person says it; else the names of the public sets are recognised.

    Returns:
        The audit, and a sentence on who named the people, where it was not the images or a manifest.

    Raises:
        CohortError: The folder is not a cohort, or `naming` does not fit its files.
    """
    found = audit_folder(folder)
    if found.named and not naming.asked:
        return found, ()
    named = named_people(found.nameable()["path"].tolist(), Path(folder), naming)
    own = [subject for subject in named.subjects if subject]
    if not own:
        return found, ()
    if len(own) < len(named.subjects):
        return found, (
            f"The names of {len(own)} of {len(named.subjects)} files name a person "
            f"({', '.join(sorted(set(named.how) - {''}))}), those of the others do not, so none was used; "
            "say who is who with a table of ids or a pattern (--subjects, --subject-pattern).",
        )
    how = {"table": "as the table of ids says", "pattern": "as the subject pattern finds them in the files' names"}
    sets = Counter(named.how)
    words = how.get(named.how[0], f"as the files' names say ({', '.join(sets)})")
    return found.with_names(own), (f"{len(set(own))} people, {words}.",)


def contradictions(table: pd.DataFrame) -> tuple[str, ...]:
    """Say where identical files lie in two classes.

    Args:
        table: With path, label and sha256.
    """
    classes = table.groupby("sha256")["label"].nunique()
    double = table[table["sha256"].map(classes) > 1]
    if double.empty:
        return ()
    first = double[double["sha256"] == double["sha256"].iloc[0]].drop_duplicates("label").head(2)
    shown = " = ".join(f"{label}/{Path(path).name}" for label, path in zip(first["label"], first["path"], strict=True))
    return (
        f"WARNING: {int((classes > 1).sum())} groups of byte-identical files lie in two classes ({shown}): their "
        "labels contradict each other; keep each file in the class it belongs to and remove the others.",
    )
