"""What a card and a shell say of a split."""

from typing import Any

import pandas as pd

from core.cohorts.split import PARTS, split_hash, subject_overlap


def describe_split(split: pd.DataFrame) -> dict[str, Any]:
    """Return what a card says of a split: how, seed, hash, counts, and how badly it tears people apart."""
    overlap = subject_overlap(split)
    known = (split["subject"] != "").all()
    parts = {name: split[split["part"] == name] for name in PARTS}
    return {
        "by": str(split["by"].iloc[0]),
        "seed": int(split["seed"].iloc[0]),
        "hash": split_hash(split),
        "images": {name: len(rows) for name, rows in parts.items()},
        "people": {name: int(rows["subject"].nunique()) for name, rows in parts.items()} if known else None,
        "subject_overlap": overlap.sentence() if overlap is not None and overlap.overlap else None,
    }
