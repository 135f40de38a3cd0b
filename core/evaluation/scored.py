"""What is measured: labels and logits of scans, and whose scans they are."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.cohorts.tasks import Task
from core.networks.inference.aggregation import subject_logits
from core.networks.recipe import Aggregation, Recipe


@dataclass(frozen=True, eq=False)
class Scored:
    """Scans with what a network says of them.

    Attributes:
        labels: int64, N, indices into the task's classes.
        logits: N × classes.
        subjects: N names of people, "" where they are not known.
        task: Its classes, and whether they are stages.
        aggregation: How slices become a subject, as the network's recipe says.
    """

    labels: NDArray[np.int64]
    logits: NDArray[np.floating]
    subjects: NDArray[np.str_]
    task: Task
    aggregation: Aggregation = "mean_logit"

    @property
    def known(self) -> bool:
        """Whether every scan's person is known."""
        return bool((self.subjects != "").all())

    @property
    def people(self) -> NDArray[np.int64]:
        """A number from 0 for each scan's person, N; a number of its own where no person is known."""
        return subject_numbers(self.subjects)

    @property
    def impaired(self) -> NDArray[np.bool_]:
        """Whether each scan's label is one that a yes stands for, N."""
        return np.array(self.task.positives)[self.labels]

    def where(self, chosen: NDArray[np.bool_]) -> "Scored":
        """Return some of the scans: bool, N."""
        return replace(self, labels=self.labels[chosen], logits=self.logits[chosen], subjects=self.subjects[chosen])

    def by_subject(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return each person's label (that of most of their scans), and their logits, people × classes."""
        return subject_level(self.labels, self.logits, self.people, self.aggregation)


def scored_table(predictions: pd.DataFrame, recipe: Recipe) -> Scored:
    """Return what a table of predictions holds.

    Args:
        predictions: With the columns label, subject and a logit a class.
        recipe: Of the network that made them.
    """
    known = {name: recipe.as_task().class_of(name) for name in set(predictions["label"])}
    index_of = {name: recipe.classes.index(found) for name, found in known.items() if found}
    labels = predictions["label"].map(index_of).to_numpy(np.int64)
    logits = predictions[[f"logit {name}" for name in recipe.classes]].to_numpy(np.float32)
    return Scored(
        labels=labels,
        logits=logits,
        subjects=predictions["subject"].to_numpy(str),
        task=recipe.as_task(),
        aggregation=recipe.aggregation,
    )


def subject_numbers(subjects: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return a number from 0 for each person; a number of its own where no person is known."""
    own = np.array([f"slice {row}" if name == "" else name for row, name in enumerate(subjects)])
    return np.unique(own, return_inverse=True)[1]


def subject_level(
    labels: NDArray[np.int64],
    logits: NDArray[np.floating],
    people: NDArray[np.int64],
    aggregation: Aggregation = "mean_logit",
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return each person's label (that of most of their scans) and their aggregated logits.

    Args:
        labels: N.
        logits: N × classes.
        people: N numbers from 0.
        aggregation: How logits are put together.
    """
    counts = np.zeros((int(people.max()) + 1, logits.shape[1]))
    np.add.at(counts, (people, labels), 1)
    return counts.argmax(axis=1), subject_logits(logits, people, aggregation)
