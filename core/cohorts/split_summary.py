"""The summary of a split for model cards and the command line."""

import pandas as pd

from core.cohorts.split import PARTS, split_hash, subject_overlap
from core.cohorts.tasks import TASKS, Task, task_of_table
from core.results import SplitSummary
from core.words import either, people


def describe_split(split: pd.DataFrame) -> SplitSummary:
    """Return how a split was made, its counts, and how many people lie in several of its parts."""
    overlap, task = subject_overlap(split), task_of_table(split)
    known = (split["subject"] != "").all()
    parts = {name: split[split["part"] == name] for name in PARTS}
    return SplitSummary(
        by=str(split["by"].iloc[0]),
        seed=int(split["seed"].iloc[0]),
        hash=split_hash(split),
        images={name: len(rows) for name, rows in parts.items()},
        people={name: int(rows["subject"].nunique()) for name, rows in parts.items()} if known else None,
        missing=missing_classes(split, task),
        subject_overlap=overlap.sentence() if overlap is not None and overlap.overlap else None,
    )


def missing_classes(split: pd.DataFrame, task: Task) -> tuple[str, ...]:
    """Say, a sentence each, which classes are missing from parts of a split, and what to do.

    Args:
        split: A split table.
        task: The classes there should be.
    """
    parts_of = split.groupby("label")["part"].agg(set)
    nowhere = [name for name in task.classes if name not in parts_of.index]
    sentences = []
    if nowhere:
        sentences.append(
            f"No scan is {either(nowhere)}: the network will have the answer and never learn it"
            + ("; a task.toml in the folder leaves classes out." if task.name in TASKS else ".")
        )
    for name in task.classes:
        there = parts_of.get(name, set(PARTS))
        absent = [part for part in PARTS if part not in there]
        if not absent:
            continue
        rows = split[split["label"] == name]
        known = (rows["subject"] != "").all()
        many = people(rows["subject"].nunique()) if known else f"{len(rows)} scans"
        what = "nothing can be learnt of it" if "train" in absent else "nothing is measured of it there"
        sentences.append(
            f"{name} ({many}) is not in the {either(absent)} part: {what}; give more people of this class."
        )
    return tuple(sentences)
