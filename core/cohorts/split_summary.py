"""The summary of a split for model cards and the command line."""

import pandas as pd

from core.cohorts.split import PARTS, split_hash, subject_overlap
from core.results import SplitSummary


def describe_split(split: pd.DataFrame) -> SplitSummary:
    """Return how a split was made, its counts, and how many people lie in several of its parts."""
    overlap = subject_overlap(split)
    known = (split["subject"] != "").all()
    parts = {name: split[split["part"] == name] for name in PARTS}
    return SplitSummary(
        by=str(split["by"].iloc[0]),
        seed=int(split["seed"].iloc[0]),
        hash=split_hash(split),
        images={name: len(rows) for name, rows in parts.items()},
        people={name: int(rows["subject"].nunique()) for name, rows in parts.items()} if known else None,
        subject_overlap=overlap.sentence() if overlap is not None and overlap.overlap else None,
    )
