"""BIDS: sub-*/[ses-*/]anat/*_T1w.nii[.gz], with classes in participants.tsv or the subjects' sessions tables.

Gorgolewski et al., Scientific Data 3:160044, 2016; bids-specification.readthedocs.io.
"""

from collections.abc import Iterator
from pathlib import Path

from core.cohorts.layout import Entry, Layout, class_name, label_column, visible_folders
from core.tables import read_table


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
    table = read_table(path, "a BIDS table", columns={key: ()}, empty=True)
    column = label_column(table)
    if key not in table or column is None:
        return {}
    return {who: class_name(value, column=column) for who, value in zip(table[key], table[column], strict=True)}


LAYOUT = Layout("BIDS", 2, _matches, _entries, volumes=True)
