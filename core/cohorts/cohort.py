"""From a folder of class folders to a Cohort: a pandas table with one row per slice."""

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from core.cohorts.layout import Entry, Layout, is_volume_name, visible_files, visible_folders, without_ending
from core.cohorts.names.people import AUTOMATIC, UNNAMED, Naming, named_people
from core.cohorts.tasks import Task, task_in, with_task
from core.errors import CohortError, shortened
from core.registry import collect
from core.scans.names import printable
from core.words import counted


@functools.cache
def layouts() -> tuple[Layout, ...]:
    """Return every known way of arranging scans on disk, in the order they are tried."""
    return collect("core.cohorts.layouts", "LAYOUT", Layout)


def index_folder(folder: str | Path) -> tuple[pd.DataFrame, Task]:
    """List the scans of a folder with their labels; reads no pixels.

    Args:
        folder: A folder of class folders, or of train and test folders of class folders, or what preprocess wrote.

    Returns:
        A table with the text columns `path` (beginning with `folder`), `label` (the task's name of the class),
        `came_in` (the part folder the file was in, or ""), `subject` and `session` (if the layout gives them), `task`
        and the column `height_mm`; and the task whose classes the folders name.

    Raises:
        CohortError: There is no such folder, its layout is not known, or it holds volumes.
    """
    layout, entries, root = listed(Path(folder))
    if layout.volumes:
        raise CohortError(f"{folder} holds volumes ({layout.name}); cut them into slices with preprocess first.")
    task = task_in(root, (entry.label for entry in entries))
    return _table(entries, task), task


def index_volumes(folder: str | Path, naming: Naming = AUTOMATIC) -> tuple[pd.DataFrame, int]:
    """List those volumes of a cohort whose class is known; reads no voxels.

    Args:
        folder: OASIS-1 discs, BIDS, a table with NIfTI files, or class folders of volumes.
        naming: Who is who, where the folder does not say it, or is not to be believed.

    Returns:
        A table as `index_folder` returns it (a person with several sessions is one `subject`) with the column
        `named_by`: how the person is known ("folder", "table", "pattern", the set whose names these are, or "file"
        where every file is taken for one person); and how many volumes were left out because their class is unknown.

    Raises:
        CohortError: There is no such folder, it holds no volumes with a class, or `naming` does not fit its files.
    """
    layout, entries, root = listed(Path(folder))
    if not layout.volumes:
        entries = [entry for entry in entries if is_volume_name(entry.path)]
    known = [entry for entry in entries if entry.label]
    if not known:
        what = f"{len(entries)} volumes but no class for any of them" if entries else "no volumes"
        raise CohortError(f"{folder} holds {what}; expected OASIS-1, BIDS, NIfTI with a table, or class folders.")
    task = task_in(root, (entry.label for entry in known))
    return _with_people(_table(known, task), root, naming), len(entries) - len(known)


def holds_volumes(folder: str | Path) -> bool:
    """Tell whether a cohort holds volumes, judging by its layout or the names of most of its files.

    Raises:
        CohortError: The folder is not a cohort.
    """
    layout, entries, _ = listed(Path(folder))
    return layout.volumes or 2 * sum(is_volume_name(entry.path) for entry in entries) > len(entries)


def listed(folder: Path) -> tuple[Layout, list[Entry], Path]:
    """Find out how a folder arranges its scans, and list them.

    Args:
        folder: The cohort, or a folder around it, as archives have: one that holds a single folder and no files.

    Returns:
        The layout, the files, and the folder that has this layout.

    Raises:
        CohortError: There is no such folder, or no layout fits; says which folder inside may be meant.
    """
    try:
        return _listed(folder)
    except OSError as error:
        raise CohortError(
            f"{shortened(str(folder))} cannot be read: {error.strerror}; give a folder of scans."
        ) from error


def _listed(folder: Path) -> tuple[Layout, list[Entry], Path]:
    if not folder.is_dir():
        raise CohortError(f"there is no folder {folder}.")
    for root in _shells(folder):
        layout = next((layout for layout in layouts() if layout.matches(root)), None)
        entries = list(layout.entries(root)) if layout else []
        if layout is not None and entries:
            return layout, entries, root
    inside = [child for child in visible_folders(folder) if any(layout.matches(child) for layout in layouts())]
    hint = f" Is it {inside[0]}?" if inside else ""
    raise CohortError(
        f"{folder} holds no class folders with files; give a folder with one folder of scans per class.{hint}"
    )


def _shells(folder: Path) -> Iterator[Path]:
    """Yield a folder, and those inside as long as each is all that the one before holds."""
    yield folder
    children = visible_folders(folder)
    if len(children) == 1 and not visible_files(folder):
        yield from _shells(children[0])


def _with_people(table: pd.DataFrame, root: Path, naming: Naming) -> pd.DataFrame:
    """Name the people whom the layout does not name, or all where that is asked for; a file's own name is the last."""
    found = named_people(table["path"].tolist(), root, naming)
    stems = [without_ending(Path(path)) for path in table["path"]]
    often = Counter(stems)
    alone = [
        stem if often[stem] == 1 else _within(Path(path), root) for stem, path in zip(stems, table["path"], strict=True)
    ]
    people: dict[str, list[str]] = {"subject": [], "session": [], "named_by": []}
    for row in range(len(table)):
        subject, session, how = table["subject"][row], table["session"][row], "folder"
        if naming.asked or not subject:
            subject, how = found.subjects[row] or alone[row], found.how[row] or UNNAMED
            session = found.sessions[row] or session
        for name, value in zip(people, (subject, session, how), strict=True):
            people[name].append(value)
    table = table.assign(**people)
    scan = table.groupby(["subject", "session"]).cumcount() + 1  # of one visit, for files are named after both
    table["session"] = table["session"].where(scan == 1, table["session"] + "scan" + scan.astype(str))
    return table


def _within(path: Path, root: Path) -> str:
    """Return a file's path within a folder as one word, without its ending."""
    inside = path.relative_to(root)
    return "_".join((*inside.parts[:-1], without_ending(inside)))


def _check_names(entries: Sequence[Entry]) -> None:
    """See that tables can hold the files' names: text, in UTF-8."""
    strange = [entry.path for entry in entries if not _is_text(entry.path)]
    if strange:
        raise CohortError(
            f"{counted(len(strange), 'file has a name', 'files have names')} that no table can hold, such as "
            f"{printable(strange[0].name)}: it is no UTF-8 text. Rename {'it' if len(strange) == 1 else 'them'}."
        )


def _is_text(path: Path) -> bool:
    try:
        path.as_posix().encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _table(entries: list[Entry], task: Task) -> pd.DataFrame:
    _check_names(entries)
    rows = [
        (entry.path.as_posix(), task.class_of(entry.label), entry.part, entry.subject, entry.session, entry.height_mm)
        for entry in entries
    ]
    table = pd.DataFrame(rows, columns=["path", "label", "came_in", "subject", "session", "height_mm"])
    return with_task(table, task)
