"""What a folder of class folders holds that is not read, and what its names nearly say: once each, with what to do."""

from pathlib import Path

from core.cohorts.cohort import listed
from core.cohorts.layout import NOT_SCANS, visible_folders
from core.cohorts.tasks import TASK_FILE, TASKS, Task, task_in

WITH_CLASSES = ("class folders", "part folders")


def notices(folder: str | Path) -> tuple[str, ...]:
    """Say what in a folder is left out or turns its classes into others.

    Args:
        folder: As for `core.cohorts.index_folder`; other layouts than class folders have no notices.

    Raises:
        CohortError: The folder is not a cohort.
    """
    layout, entries, root = listed(Path(folder))
    if layout.name not in WITH_CLASSES:
        return ()
    found = [] if root == Path(folder) else [f"The classes lie in {root.relative_to(folder).as_posix()}."]
    classes = {entry.path.parent for entry in entries}
    beside = [
        child
        for parent in sorted({one.parent for one in classes})
        for child in visible_folders(parent)
        if child not in classes
    ]
    parts = {one.parent for one in classes} - {root}
    beside += [child for child in visible_folders(root) if parts and child not in parts]
    if beside:
        names = ", ".join(one.relative_to(root).as_posix() for one in beside[:5])
        found.append(f"WARNING: {len(beside)} folders beside the classes hold no scans and were not read: {names}.")
    nested = [path for one in sorted(classes) for path in _nested(one)]
    if nested:
        found.append(
            f"WARNING: {len(nested)} files in folders inside the class folders were not read, the first "
            f"{nested[0].relative_to(root).as_posix()}; move them up into the folder of their class."
        )
    task = task_in(root, (entry.label for entry in entries))
    if not (root / TASK_FILE).exists():
        found += _nearly(task, {one.name for one in classes})
    return tuple(found)


def _nested(class_folder: Path) -> list[Path]:
    return sorted(
        path
        for child in visible_folders(class_folder)
        for path in child.rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.suffix.lower() not in NOT_SCANS
    )


def _nearly(task: Task, names: set[str]) -> list[str]:
    """Say where all but a few folders are classes of a known task."""
    if task.name in TASKS or task.ordered:
        return []
    for known in TASKS.values():
        strange = sorted(name for name in names if known.class_of(name) is None)
        if len(strange) < len(names) - 1 and len(strange) <= len(names) // 3:
            return [
                f"WARNING: {', '.join(strange)} is no class of the task {known.name} ({', '.join(known.classes)}), so "
                f"that all {len(names)} folders are classes of your own; move it out of the folder if it is none, or "
                f"write a {TASK_FILE} to say which they are."
            ]
    return []
