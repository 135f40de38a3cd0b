"""The leak, laid bare: one recipe with slices split at random, with people split, and with stages drawn by lot.

Who splits slices at random tests a network on people it was trained on. The proof needs no opinion: give every person a
class by lot, so that there is nothing to be learned but who is who, and the figure stays where it was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from core.cohorts.split import SPLITTERS
from core.errors import CohortError, StageLensError
from core.evaluation.metrics import Estimate, draw_people, estimate, subject_numbers
from core.files import write_table
from core.networks.recipe import PIXELS, Recipe
from core.networks.subset import read_scans
from core.training.classic import classic_logits, fit_classic
from core.workflows.train import Request, run_training

FOLDS = 10
BASELINE = "baseline_pixels_nearest"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Scheme:
    """A way of splitting.

    Attributes:
        name: Key in JSON.
        title: In words.
        by: "slice" or "subject".
        permuted: Whether every person's class was drawn by lot.
    """

    name: str
    title: str
    by: str
    permuted: bool = False


SCHEMES = (
    Scheme("by_slice", "Slices split at random", "slice"),
    Scheme("by_subject", "People split", "subject"),
    Scheme("permuted_labels", "Classes drawn by lot, slices split at random", "slice", permuted=True),
    Scheme("permuted_labels_by_subject", "Classes drawn by lot, people split", "subject", permuted=True),
)


@dataclass(frozen=True)
class Leakage:
    """What a recipe reaches in each way.

    Attributes:
        recipe: Its title.
        accuracy: By the name of the way, with its 95 % interval over people.
        slices: How many scans.
        people: How many people.
        largest: The most frequent class.
        fraction: Accuracy of always answering it.
    """

    recipe: str
    accuracy: dict[str, Estimate]
    slices: int
    people: int
    largest: str
    fraction: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        schemes = {
            scheme.name: {**found.as_dict("accuracy"), "split": scheme.by,
                       "permuted_labels": scheme.permuted, "title": scheme.title}
            for scheme in SCHEMES if (found := self.accuracy[scheme.name])
        }  # fmt: skip
        return {"recipe": self.recipe, "slices": self.slices, "people": self.people, **schemes,
                "always": {"class": self.largest, "accuracy": self.fraction}}  # fmt: skip


def measure_leakage(
    table: pd.DataFrame, recipe: Recipe, *, out: Path | None = None, seed: int = 1, say: Say = lambda _: None
) -> Leakage:
    """Measure a recipe in each way: a classifier on pixels in ten folds, a network on one split each.

    Args:
        table: An audit's; its people must be known.
        recipe: What is trained.
        out: Folder for the trainings of a network; what is finished in it is not done again.
        seed: Of the lots, splits and folds.
        say: Called with a sentence at each turn.

    Raises:
        CohortError: People cannot be told apart, or there are fewer than ten.
        StageLensError: A network needs `out`; or as raised by the rooms below.
    """
    subjects = table["subject"].to_numpy(str)
    if (subjects == "").any():
        raise CohortError("people cannot be told apart in this folder, so there is no honest split to compare with.")
    on_pixels = recipe.classic is not None and recipe.backbone == PIXELS
    if not on_pixels and out is None:
        raise StageLensError(f"{recipe.name} trains a network; give a folder for its runs with --out.")
    people = subject_numbers(subjects)
    if people.max() + 1 < FOLDS:
        raise CohortError(f"{FOLDS} people or more are needed; there are {people.max() + 1}.")
    tables = {False: table, True: table.assign(label=permuted(table["label"].to_numpy(str), people, seed))}
    accuracy = {}
    scans = read_scans(table["path"].tolist(), recipe) if on_pixels else None
    for scheme in SCHEMES:
        say(scheme.title.lower())
        given = tables[scheme.permuted]
        if scans is not None:
            right = _in_folds(scans, given["label"].to_numpy(str), people, recipe, scheme.by, seed)
            accuracy[scheme.name] = accuracy_over_people(right, people)
        else:
            assert out is not None  # noqa: S101 - checked above
            accuracy[scheme.name] = _trained(given, recipe, out / scheme.name, scheme.by, seed, say)
    counts = table["label"].value_counts()
    return Leakage(recipe.title, accuracy, len(table), int(people.max()) + 1, str(counts.index[0]),
                float(counts.iloc[0] / len(table)))  # fmt: skip


def permuted(labels: NDArray[np.str_], people: NDArray[np.int64], seed: int) -> NDArray[np.str_]:
    """Return labels with the people's classes shuffled among them: as many people in each class, all slices of one
    alike.
    """
    first = np.unique(people, return_index=True)[1]
    return np.random.default_rng(seed).permutation(labels[first])[people]


def accuracy_over_people(right: NDArray[np.bool_], people: NDArray[np.int64]) -> Estimate:
    """Return the share of slices that are right, with its interval over people."""
    counts = np.bincount(people)
    hits = np.bincount(people, weights=right)
    draws = draw_people(len(counts))
    return estimate(float(right.mean()), (draws @ hits) / (draws @ counts))


def _in_folds(
    scans: NDArray[np.uint8], labels: NDArray[np.str_], people: NDArray[np.int64], recipe: Recipe, by: str, seed: int
) -> NDArray[np.bool_]:
    """Tell for each scan whether a classifier that was trained on the other folds is right."""
    assert recipe.classic is not None  # noqa: S101 - the caller has looked
    names, y_true = np.unique(labels, return_inverse=True)
    features = scans.reshape(len(scans), -1).astype(np.float32)
    how = {"n_splits": FOLDS, "shuffle": True, "random_state": seed}
    if by == "subject":
        folds = StratifiedGroupKFold(**how).split(features, y_true, people)
    else:
        folds = StratifiedKFold(**how).split(features, y_true)
    right = np.zeros(len(labels), bool)
    for known, asked in folds:
        fitted = fit_classic(recipe.classic, recipe.imbalance, features[known], y_true[known], recipe.seed)
        right[asked] = classic_logits(fitted, features[asked], len(names)).argmax(axis=1) == y_true[asked]
    return right


def _trained(table: pd.DataFrame, recipe: Recipe, run: Path, by: str, seed: int, say: Say) -> Estimate:
    """Train a network on one split, or go on with it, and return its accuracy on the test slices."""
    run.mkdir(parents=True, exist_ok=True)
    split = run / "leak_split.csv"
    write_table(split, SPLITTERS[by](table, seed=seed))
    folder = run / "run"
    request = Request(recipe, split, folder, resume=(folder / "run.json").exists())
    card = run_training(request, step=lambda *_: None, say=say).card
    assert card is not None  # noqa: S101 - whole recipes are trained here
    metrics = card["by_slice"]
    return Estimate(metrics["accuracy"], *metrics["intervals"]["accuracy"])
