"""Who is in which part: by subject, or by slice or by folder as in published systems. A split is a table on disk."""

import contextlib
import hashlib
import io
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import splitfolders

from core.cohorts.tasks import TASK_COLUMN, task_of_table, write_task
from core.errors import CohortError, shortened
from core.tables import numbers, read_table, require

PARTS = ("train", "val", "test")
FOLDS = 5  # a fifth of everything is the test part, a fifth of the rest the validation part: 64 / 16 / 20 %
# What split-folders calls train is our test part: its first part is rounded down, which gives the supports that were
# published for the Alzheimer set (640, 448, 179 and 12 of 1,279); its last part, our training part, takes the rest.
SLICE_RATIO = (0.20, 0.16, 0.64)
PART_OF_SPLITFOLDERS = {"train": "test", "val": "val", "test": "train"}
FOLDER_FOLDS = 10  # a tenth of the training files is the validation part, if the folders have none
PART_OF_FOLDER = {"tr": "train", "va": "val", "te": "test"}  # train, Training, val, valid, Validation, test, Testing
COLUMNS = ("path", "label", "subject", "slice", "part", "by", "seed")


@dataclass(frozen=True)
class SubjectOverlap:
    """How far the parts of a split share people.

    Attributes:
        people: Number of people.
        overlap: How many of them have slices in more than one part.
        test_slices: Number of slices in the test part.
        seen: How many of those belong to a person who is also in the training part.
    """

    people: int
    overlap: int
    test_slices: int
    seen: int

    def sentence(self) -> str:
        """Describe it in one line."""
        seen = self.seen / max(self.test_slices, 1)
        return (
            f"{self.overlap} of {self.people} people have slices in more than one part; "
            f"{self.seen} of {self.test_slices} test slices ({100 * seen:.1f} %) show a person the network was "
            "trained on. Metrics from this split measure recognition of people, not of disease."
        )


def split_by_subject(table: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Split so that nobody is in two parts, keeping the class proportions (scikit-learn's StratifiedGroupKFold).

    Every class of three people or more is in every part.

    Args:
        table: An audit's table; `subject` tells people apart, and `copies` keeps near copies together if no subject
            is known.
        seed: Any integer; the same seed gives the same parts.

    Returns:
        The table with the columns `part` (train, val, test), `by` and `seed`; `by` is "subject" where everybody is
        known, and "near-copies" else.

    Raises:
        CohortError: There are fewer than five people, or groups of near copies.
    """
    groups, by = groups_of(table), by_groups(table)
    n_groups = len(set(groups))
    if n_groups < FOLDS:
        what = "people" if by == "subject" else "groups of near copies"
        raise CohortError(
            f"a split by {by} needs at least {FOLDS} {what}; there are {n_groups}, too few to train, validate and test."
        )
    part, labels = np.full(len(table), "train", dtype=object), table["label"].to_numpy(str)
    rest = np.arange(len(table))
    for number, name in enumerate(("test", "val")):
        taken = _some_people(labels[rest], groups[rest], seed + number, parts=3 - number)
        part[rest[taken]] = name
        rest = np.delete(rest, taken)
    return as_split(table, part, by, seed)


def split_by_copies(table: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Split so that no two near copies are in two parts, whoever they show; otherwise as `split_by_subject`."""
    split = split_by_subject(table.assign(subject=""), seed=seed)
    return split.assign(subject=table["subject"])


def split_by_slice(table: pd.DataFrame, *, seed: int, folders: str | Path | None = None) -> pd.DataFrame:
    """Split every class at random, as the published systems did, with split-folders.

    Args:
        table: An audit's table.
        seed: Passed to split-folders; the same seed gives the same parts.
        folders: Where to create train, val and test folders with copies of the files; None for the table only.

    Returns:
        The table with the columns `part`, `by` and `seed`.

    Raises:
        CohortError: `folders` exists and is not empty, or there are too few scans for three parts.
    """
    _empty_target(folders)
    with tempfile.TemporaryDirectory() as scratch:
        staged, output = Path(scratch) / "staged", Path(scratch) / "split"
        row_of = _stage(table, staged)
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            splitfolders.ratio(staged, output=output, seed=seed, ratio=SLICE_RATIO, move="symlink")
        part = np.full(len(table), "", dtype=object)
        for given, ours in PART_OF_SPLITFOLDERS.items():
            for path in (output / given).glob("*/*"):
                part[row_of[path.parent.name, path.name]] = ours
    empty = [name for name in PARTS if name not in set(part)]
    if empty:
        counts = ", ".join(f"{label}: {n}" for label, n in table["label"].value_counts(sort=False).items())
        raise CohortError(
            f"a split by slice would leave no scans for {' and '.join(empty)}: it takes a fifth of each class for the "
            f"test and 16 % for validation, rounded down, and the scans are {counts}; give at least seven of a class."
        )
    split = as_split(table, part, "slice", seed)
    if folders is not None:
        write_folders(split, folders)
    return split


def split_by_folder(table: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Keep the parts that the files came in, like published systems that were tested on a set's own test folder.

    Args:
        table: An audit's table.
        seed: Chooses a tenth of the training files for validation if there is no validation folder: whole people, or
            groups of near copies where people are not known, so that the validation part holds nothing that was
            trained on.

    Returns:
        The table with the columns `part`, `by` and `seed`.

    Raises:
        CohortError: The files did not come in train and test folders.
    """
    part = table["came_in"].str.lower().str[:2].map(PART_OF_FOLDER)
    if part.isna().any() or not {"train", "test"} <= set(part):
        raise CohortError("a split by folder needs a train and a test folder, each with one folder per class.")
    if "val" not in set(part):
        given = table[part == "train"]
        groups = groups_of(given)
        if given.assign(group=groups).groupby("label")["group"].nunique().max() < 2:
            raise CohortError(
                "no class has two training files that are no near copies, one of which could validate; give more, or a "
                "val folder."
            )
        chosen = _some_people(given["label"].to_numpy(str), groups, seed, parts=2, folds=FOLDER_FOLDS)
        part.loc[given.index[chosen]] = "val"
    return as_split(table, part.to_numpy(object), "folder", seed)


SPLITTERS = {
    "subject": split_by_subject,
    "near-copies": split_by_copies,
    "slice": split_by_slice,
    "folder": split_by_folder,
}


def came_in_parts(table: pd.DataFrame) -> bool:
    """Tell whether all files of a table came in folders for training and test."""
    if "came_in" not in table:
        return False
    part = table["came_in"].str.lower().str[:2].map(PART_OF_FOLDER)
    return bool(part.notna().all()) and {"train", "test"} <= set(part)


def default_scheme(table: pd.DataFrame) -> str:
    """Return how a table is split by default: as it came in parts, else by subject, else by groups of near copies."""
    return "folder" if came_in_parts(table) else by_groups(table)


def by_groups(table: pd.DataFrame) -> str:
    """Return what `groups_of` goes by: "subject" where everybody is known, "near-copies" else."""
    return "subject" if (table["subject"] != "").all() else "near-copies"


def write_folders(split: pd.DataFrame, folders: str | Path) -> None:
    """Copy the files of a split into train, val and test folders with one folder per class in each.

    Raises:
        CohortError: `folders` exists and is not empty.
    """
    target = _empty_target(folders)
    assert target is not None  # noqa: S101 - a folder was given
    for (part, label), rows in split.groupby(["part", "label"]):
        folder = target / str(part) / str(label)
        folder.mkdir(parents=True)
        for path, name in zip(rows["path"], _unique_names(rows["path"]), strict=True):
            shutil.copyfile(path, folder / name)
    write_task(target, task_of_table(split))


def subject_overlap(split: pd.DataFrame) -> SubjectOverlap | None:
    """Measure how far the parts of a split share people; None if people are not known."""
    if (split["subject"] == "").all():
        return None
    parts_of = split.groupby("subject")["part"].nunique()
    trained = set(split.loc[split["part"] == "train", "subject"])
    test = split.loc[split["part"] == "test", "subject"]
    return SubjectOverlap(len(parts_of), int((parts_of > 1).sum()), len(test), int(test.isin(trained).sum()))


def read_split(path: str | Path) -> pd.DataFrame:
    """Read a split table.

    Raises:
        CohortError: The file is not a table with the columns path, label, subject, slice, part, by and seed, or names
            a scan twice.
    """
    what = "a split table"
    split = read_table(path, what, columns=dict.fromkeys(COLUMNS, ()), verbatim=("path", "label", TASK_COLUMN))
    require(split, path, what, names=COLUMNS)
    for name in ("slice", "seed"):
        values = numbers(split, name, path).fillna(0)
        split[name] = values.astype(int) if (values % 1 == 0).all() else values
    unknown = split[~split["part"].isin(PARTS)]
    if len(unknown):
        given = unknown["part"].iloc[0]
        raise CohortError(f"{path}, line {unknown.index[0]}: the part is {given!r}; expected {', '.join(PARTS)}.")
    twice = split["path"].duplicated()
    if twice.any():
        path_twice, line = split.loc[twice, "path"].iloc[0], split.index[twice][0]
        first = split.index[split["path"] == path_twice][0]
        raise CohortError(f"{path}, line {line}: {shortened(path_twice)} is in line {first} already; name it once.")
    split = split.reset_index(drop=True)
    return split.assign(by=split["by"].replace("person", "subject"))  # as written before 0.2


def split_hash(split: pd.DataFrame) -> str:
    """Return the SHA-256 of who is in which part, independent of the files' folder and the order of the rows."""
    root = os.path.commonpath([str(Path(path).parent) for path in split["path"]])
    lines = sorted(
        f"{Path(path).relative_to(root).as_posix()},{label},{subject},{part}"
        for path, label, subject, part in split[["path", "label", "subject", "part"]].itertuples(index=False)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def groups_of(table: pd.DataFrame) -> np.ndarray:
    """Return the name of each row's person, else of its group of near copies, else a unique name."""
    alone = pd.Series([f"alone {row}" for row in range(len(table))], index=table.index)
    copies = table["copies"] if "copies" in table else pd.Series("", index=table.index)
    known = table["subject"].where(table["subject"] != "", copies)
    names: np.ndarray = known.where(known != "", alone).to_numpy(dtype=str)
    return names


def cut(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rest and the fold, as rows, of each of some folds; every group is in one fold.

    Args:
        labels: N classes; folds hold them in equal proportions, as far as their groups allow.
        groups: N names of people or of groups of near copies.
        folds: How many, at most as many as there are groups.
        seed: The same seed gives the same folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # takes a second to import

    if np.unique(labels, return_counts=True)[1].max() < folds:
        labels = np.zeros(len(labels))  # too few of every class to be spread at all
    with warnings.catch_warnings():  # a class with fewer people than folds is spread as evenly as possible
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        yield from StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, labels, groups)


def _some_people(labels: np.ndarray, groups: np.ndarray, seed: int, *, parts: int, folds: int = FOLDS) -> np.ndarray:
    """Return the rows of about one in `folds` groups; of each class one at least that has a group for each part left.

    Args:
        labels: N classes.
        groups: N names of people or of groups of near copies.
        seed: The same seed gives the same rows.
        parts: How many parts are still to be filled, this one included.
        folds: One of how many.
    """
    people = pd.Series(labels).groupby(groups).first()
    counts, folds = people.value_counts(sort=False), min(folds, len(people))
    due = set(counts.index[counts >= parts])
    if np.unique(labels, return_counts=True)[1].max() >= folds:
        _, taken = next(cut(labels, groups, folds, seed))
        if len(taken) and due <= set(labels[taken]):
            return taken
    left = people.sample(frac=1, random_state=seed)
    if due:
        chosen = [
            who for name in sorted(due) for who in left.index[left == name][: max(1, round(counts[name] / folds))]
        ]
    else:  # of the largest classes, which keep others
        chosen = []
        for _ in range(max(1, round(len(left) / folds))):
            largest = left.groupby(left).size().idxmax()
            chosen.append(left.index[left == largest][0])
            left = left.drop(chosen[-1])
    return np.flatnonzero(np.isin(groups, chosen))


def as_split(table: pd.DataFrame, part: np.ndarray, by: str, seed: int) -> pd.DataFrame:
    """Return a split table: the table's files, with N parts, how these were made, and the task where it is known."""
    made = table.assign(part=part, by=by, seed=seed)
    return made[[name for name in (*COLUMNS, TASK_COLUMN) if name in made]]


def _empty_target(folders: str | Path | None) -> Path | None:
    if folders is None:
        return None
    target = Path(folders)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise CohortError(f"{target} exists and is not empty; give a new folder.")
    return target


def _stage(table: pd.DataFrame, staged: Path) -> dict[tuple[str, str], int]:
    """Arrange links to the files in class folders, the only layout that split-folders accepts."""
    row_of: dict[tuple[str, str], int] = {}
    for label, rows in table.reset_index(drop=True).groupby("label"):
        (staged / str(label)).mkdir(parents=True)
        for row, path, name in zip(rows.index, rows["path"], _unique_names(rows["path"]), strict=True):
            _link(Path(path).resolve(), staged / str(label) / name)
            row_of[str(label), name] = int(row)
    return row_of


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except OSError:  # Windows lets only some users create links
        shutil.copyfile(source, target)


def _unique_names(paths: pd.Series) -> list[str]:
    names = [Path(path).name for path in paths]
    several = {name for name, count in pd.Series(names).value_counts().items() if count > 1}
    return [f"{number:06d}-{name}" if name in several else name for number, name in enumerate(names)]
