"""Folds for cross-validation: by subject, each with its own validation part taken from its training folds."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.cohorts.split import as_split, by_groups, cut, groups_of
from core.errors import CohortError

INNER = 5  # a fifth of the people in the training folds are used for validation


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold of one repeat.

    Attributes:
        repeat: Number of the repeat, from 1.
        number: Number of the fold, from 1.
        split: A split table whose test part is the fold.
    """

    repeat: int
    number: int
    split: pd.DataFrame

    @property
    def name(self) -> str:
        """The fold's name, such as "repeat1_fold3"."""
        return f"repeat{self.repeat}_fold{self.number}"


def folds_by_subject(table: pd.DataFrame, *, folds: int, repeats: int, seed: int) -> Iterator[Fold]:
    """Yield every fold; nobody is in two parts of a fold, and in each repeat everybody is tested once.

    Args:
        table: An audit's or a split's table.
        folds: Folds per repeat.
        repeats: How often the people are reshuffled.
        seed: The same seed gives the same folds.

    Raises:
        CohortError: There are fewer people than folds.
    """
    groups, labels = groups_of(table), table["label"].to_numpy()
    people = len(set(groups))
    if not 2 <= folds <= people:
        what = "people" if by_groups(table) == "subject" else "groups of near copies"
        raise CohortError(f"{folds} folds need at least {max(folds, 2)} {what}; there are {people}.")
    for repeat in range(1, repeats + 1):
        start = seed + 1000 * (repeat - 1)
        for number, (rest, test) in enumerate(cut(labels, groups, folds, start), start=1):
            part = np.full(len(table), "train", dtype=object)
            part[test] = "test"
            _, val = next(cut(labels[rest], groups[rest], min(INNER, len(set(groups[rest]))), start + number))
            part[rest[val]] = "val"
            yield Fold(repeat, number, as_split(table, part, by_groups(table), start))
