"""What is in a folder of scans: unreadable files, strays, copies, and the people behind the slices."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.cohorts.cohort import index_folder
from core.cohorts.names.origins import people_by_origin
from core.cohorts.recovery.links import Slices, link, near_copies
from core.cohorts.recovery.pose import SIDE, in_canonical_pose, turned_alike
from core.cohorts.recovery.subjects import Subjects, find_subjects
from core.cohorts.tasks import Task
from core.errors import CohortError, ScanError
from core.files import read_file
from core.scans import BACKGROUND, read_slice
from core.scans.scan import Origin

COLUMNS = ["path", "label", "subject", "slice", "copies", "came_in", "sha256"]
MOST = 0.5  # of the slices: who holds more is doubted
BLANK = "nothing like a head is to be seen in it: blank, or noise"
UNLIKE = "it is unlike all other pictures"
PIECE = "it may be a piece of another person's slices, between which some are missing"
SINGLE = "it is linked to nobody's slices; whose it is cannot be told"


@dataclass(frozen=True, eq=False)
class Audit:
    """The findings about one folder.

    Attributes:
        task: The task whose classes the folders name.
        table: One row per readable scan: `path`, `label`, `subject` ("" if people cannot be told apart), `slice` (from
            1, inferior first; 0 if unknown), `copies` (the name of its group of near copies, "" without any),
            `came_in` (the part folder) and `sha256` of the file.
        unreadable: `path` and `reason` of each file that is not a scan.
        set_aside: The rows of scans that belong to nobody, with a `reason`: blank, unlike all others, or a single slice
            where people have several. They are not in the table.
        people: Whose slices these are, as found from the images.
        named: Whether the folder or its DICOM files name the people; `subject` then comes from there, not from the
            images.
        named_by: "the folder", "the DICOM files" or "" for a table or the files' names; of no meaning if not `named`.
        doubt: What is not established about the people named; "" for nothing.
    """

    task: Task
    table: pd.DataFrame
    unreadable: pd.DataFrame
    set_aside: pd.DataFrame
    people: Subjects
    named: bool = False
    named_by: str = ""
    doubt: str = ""

    @property
    def people_known(self) -> bool:
        """Whether `subject` tells people apart."""
        return self.people.found or self.named

    def with_names(self, subjects: Sequence[str]) -> "Audit":
        """Return the audit with the people that names or a table give; whoever is named is nobody's stray.

        Args:
            subjects: Names of people for the files of `nameable`, in its order.
        """
        blank = self.set_aside[self.set_aside["reason"] == BLANK]
        table = self.nameable().assign(subject=subjects)
        return replace(self, table=table, set_aside=blank, named=True, named_by="", doubt="")

    def nameable(self) -> pd.DataFrame:
        """Return the rows of all scans that show something, strays too, in the order of their paths."""
        strays = self.set_aside[self.set_aside["reason"] != BLANK].drop(columns="reason")
        return pd.concat([self.table, strays]).sort_values("path", ignore_index=True) if len(strays) else self.table

    def doubts(self) -> list[str]:
        """Say what makes one doubt the people found, a sentence each."""
        if not self.people_known or self.named:
            return [self.doubt] if self.doubt else []
        by_person = self.table.groupby("subject")["label"]
        sizes, labels = by_person.size(), by_person.unique()
        found = [
            f"{name} holds {size:,} of {len(self.table):,} slices, more than half: is this one person?"
            for name, size in sizes.items()
            if size > MOST * len(self.table) and len(sizes) > 2
        ]
        return found + [
            f"{name} has slices in {len(several)} classes ({', '.join(sorted(several))}): one person, or two alike?"
            for name, several in labels.items()
            if len(several) > 1
        ]

    def identical(self) -> list[pd.DataFrame]:
        """Return the groups of byte-identical files, each as rows of the table."""
        return _groups_of_several(self.table, "sha256")

    def near(self) -> list[pd.DataFrame]:
        """Return the groups of near-identical pictures, including byte-identical ones."""
        return _groups_of_several(self.table[self.table["copies"] != ""], "copies")

    def straddling(self) -> list[pd.DataFrame]:
        """Return the groups of byte-identical files that lie in more than one part folder."""
        return [group for group in self.identical() if group["came_in"].nunique() > 1]

    def as_dict(self) -> dict[str, Any]:
        """Return the findings as plain values for JSON."""
        table, people, identical = self.table, self.people, self.identical()
        found = self.people_known
        per_subject = table.groupby("subject")
        by_class = _counts(per_subject["label"].first(), self.task)
        return {
            "task": self.task.name,
            "images": len(table),
            "images_by_class": _counts(table["label"], self.task),
            "unreadable": self.unreadable.to_dict("records"),
            "set_aside": self.set_aside[["path", "label", "reason"]].to_dict("records"),
            "doubts": self.doubts(),
            "people_found": found,
            "people_named": self.named,
            "people_named_by": self.named_by,
            "people_unknown_because": "" if found else people.reason,
            "people": int(table["subject"].nunique()) if found else None,
            "people_by_class": by_class if found else None,
            "slices_per_subject": sorted(set(per_subject.size().tolist())) if found else None,
            "people_with_several_labels": int((per_subject["label"].nunique() > 1).sum()) if found else None,
            "weakest_link": people.weakest_link if people.found else None,
            "strongest_other": people.strongest_other if people.found else None,
            "threshold": people.threshold if people.found else None,
            "clearness": people.clearness,
            "identical_copies": sum(len(group) - 1 for group in identical),
            "identical_groups": [_described(group) for group in identical],
            "near_copies": sum(len(group) - 1 for group in self.near()),
            "straddling_groups": [_described(group) for group in self.straddling()],
        }


def audit_folder(folder: str | Path) -> Audit:
    """Read every scan in a folder and find out what it contains.

    Args:
        folder: As for `index_folder`.

    Returns:
        The audit. File names play no part in it: renamed and shuffled files give the same groups.

    Raises:
        CohortError: The folder is not a cohort, or none of its files can be read.
    """
    index, task = index_folder(folder)
    read = [_read(path) for path in index["path"]]  # threads would wait for each other longer than they work
    failed = [isinstance(item, str) for item in read]
    unreadable = index.loc[failed, ["path"]].assign(reason=[item for item in read if isinstance(item, str)])
    slices = [item for item in read if not isinstance(item, str)]
    if not slices:
        raise CohortError(f"none of the {len(index)} files in {folder} can be read: {unreadable['reason'].iloc[0]}")
    table = index.loc[[not flag for flag in failed]].reset_index(drop=True)
    blank = [BLANK if one.posed is None else "" for one in slices]
    table = table.assign(sha256=[one.digest for one in slices], slice=0, copies="", reason=blank)
    heads = [(one, one.posed) for one in slices if one.posed is not None]
    if not heads:
        raise CohortError(f"none of the {len(table)} pictures in {folder} shows anything like a head.")
    posed = turned_alike(np.stack([posed for _, posed in heads]))
    linked = link(Slices.of(posed, np.stack([one.small for one, _ in heads])))
    people = find_subjects(linked, np.array([one.size for one, _ in heads], np.float32))
    seen, copies = table.index[table["reason"] == ""], near_copies(linked)
    several = table.loc[seen, "label"].groupby(people.groups).nunique() > 1
    if people.found and several[several.index >= 0].mean() > MOST:
        people = people.refused("most of the groups have slices in several classes")
    alone = np.bincount(copies)[copies] == 1
    table.loc[seen, "copies"] = np.where(alone, "", _names(copies, table.loc[seen], task, "C"))
    named, named_by, doubt = bool((table["subject"] != "").all()), "the folder", ""
    said = None if named else people_by_origin([one.origin for one in slices], table["label"].tolist())
    if said is not None:
        named, named_by, doubt = True, "the DICOM files", said.doubt
        table["subject"] = _names(pd.factorize(pd.Series(said.keys))[0], table, task, "P")
    if named:
        table["slice"] = table.groupby("subject")["height_mm"].rank(method="dense").fillna(0).astype(int)
    else:
        table["subject"] = ""
    if people.found and not named:
        own = people.groups >= 0
        table.loc[seen[~own], "reason"] = np.select([people.unlike, people.piece], [UNLIKE, PIECE], SINGLE)[~own]
        table.loc[seen[own], "subject"] = _names(people.groups[own], table.loc[seen[own]], task, "P")
        table.loc[seen[own], "slice"] = people.order[own] + 1
    aside = table["reason"] != ""
    return Audit(
        task=task,
        table=table.loc[~aside, COLUMNS].reset_index(drop=True),
        unreadable=unreadable.reset_index(drop=True),
        set_aside=table.loc[aside, [*COLUMNS, "reason"]].reset_index(drop=True),
        people=people,
        named=named,
        named_by=named_by if named else "",
        doubt=doubt,
    )


class _Read(NamedTuple):
    """A slice: its hash, as it lies at 64 × 64, in canonical pose if it has one, the size of its brain, and whose."""

    digest: str
    small: NDArray[np.float32]
    posed: NDArray[np.uint8] | None
    size: float
    origin: Origin | None


def _read(path: str) -> _Read | str:
    """Read one file, or say why it is not a scan."""
    try:
        data = read_file(Path(path))
        scan = read_slice({Path(path).name: data})
        grey = scan.grey()
    except (ScanError, OSError) as error:
        return str(error)
    small = np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)
    return _Read(
        hashlib.sha256(data).hexdigest(),
        small,
        in_canonical_pose(grey),
        float((small > BACKGROUND).mean()),
        scan.origin,
    )


def _names(groups: NDArray[np.int64], table: pd.DataFrame, task: Task, letter: str) -> NDArray[np.str_]:
    """Name groups by class and content, so that the same images get the same names whatever their file names."""
    rank = table["label"].map({name: index for index, name in enumerate(task.classes)})
    keys = pd.DataFrame({"group": groups, "rank": rank, "sha256": table["sha256"]})
    firsts = keys.groupby("group").min().sort_values(["rank", "sha256"])
    digits = max(3, len(str(len(firsts))))
    names = {group: f"{letter}{number:0{digits}d}" for number, group in enumerate(firsts.index, start=1)}
    return np.array([names[group] for group in groups])


def _groups_of_several(table: pd.DataFrame, column: str) -> list[pd.DataFrame]:
    several = table[table.duplicated(column, keep=False)]
    return [group for _, group in several.groupby(column, sort=False)]


def _counts(labels: pd.Series, task: Task) -> dict[str, int]:
    return {name: int((labels == name).sum()) for name in task.classes}


def _described(group: pd.DataFrame) -> dict[str, Any]:
    return {
        "paths": group["path"].tolist(),
        "labels": sorted(set(group["label"])),
        "parts": sorted(set(group["came_in"])),
    }
