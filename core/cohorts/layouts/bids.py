"""BIDS: sub-*/[ses-*/]anat/*_T1w.nii[.gz], with classes in participants.tsv or the subjects' sessions tables.

Gorgolewski et al., Scientific Data 3:160044, 2016; bids-specification.readthedocs.io.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from core.cohorts.layout import Entry, Layout, class_name, visible_folders
from core.errors import CohortError

CLASS_COLUMNS = ("cdr", "diagnosis", "dx", "group", "label", "class")


def _matches(folder: Path) -> bool:
    marked = (folder / "dataset_description.json").is_file() or (folder / "participants.tsv").is_file()
    return marked and any(child.name.startswith("sub-") for child in visible_folders(folder))


def _entries(folder: Path) -> Iterator[Entry]:
    people = _classes(folder / "participants.tsv", "participant_id")
    for subject in visible_folders(folder):
        if not subject.name.startswith("sub-"):
            continue
        visits = _classes(subject / f"{subject.name}_sessions.tsv", "session_id")
        for path in sorted(subject.rglob("anat/*_T1w.nii*")):
            session = path.parent.parent.name if path.parent.parent.name.startswith("ses-") else ""
            label = visits.get(session) or people.get(subject.name, "")
            yield Entry(path, label, subject=subject.name, session=session)


def _classes(path: Path, key: str) -> dict[str, str]:
    """Read one table: participant or session to class; empty if there is no table."""
    if not path.is_file():
        return {}
    try:
        table = pd.read_csv(path, sep="\t", dtype=str)
    except (OSError, ValueError) as error:
        raise CohortError(f"{path.name} is not a table: {str(error).splitlines()[0]}") from error
    columns = {name.lower(): name for name in table.columns}
    column = next((columns[name] for name in CLASS_COLUMNS if name in columns), None)
    if key not in columns or column is None:
        return {}
    return {
        str(who): class_name(value, column=column)
        for who, value in zip(table[columns[key]], table[column], strict=True)
    }


LAYOUT = Layout("BIDS", 2, _matches, _entries, volumes=True)
