"""Data leakage, measured: one recipe with slices split at random, with people split, and with random labels.

Who splits slices at random tests a network on people it was trained on. The proof needs no opinion: give every person a
random class, so that there is nothing to be learned but who is who, and the accuracy stays where it was.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from core.cohorts.split import SPLITTERS
from core.errors import CohortError, StageLensError
from core.evaluation.bootstrap import fraction_over_people
from core.evaluation.scored import subject_numbers
from core.files import write_table
from core.networks.recipe import PIXELS, Recipe
from core.networks.subset import read_scans
from core.results import Estimate, Leakage, SchemeAccuracy, Unit
from core.training.classic import classic_logits, fit_classic
from core.training.listeners import SILENT, TrainingListener

FOLDS = 10
BASELINE = "baseline_pixels_nearest"


@dataclass(frozen=True)
class Scheme:
    """A way of splitting.

    Attributes:
        name: Key in JSON.
        title: In words.
        by: "slice" or "subject".
        permuted: Whether the people's classes were shuffled among them.
    """

    name: str
    title: str
    by: Unit
    permuted: bool = False


SCHEMES = (
    Scheme("by_slice", "Slices split at random", "slice"),
    Scheme("by_subject", "People split", "subject"),
    Scheme("permuted_labels", "Random labels (control), slices split at random", "slice", permuted=True),
    Scheme("permuted_labels_by_subject", "Random labels (control), people split", "subject", permuted=True),
)


def measure_leakage(
    table: pd.DataFrame,
    recipe: Recipe,
    *,
    out: Path | None = None,
    seed: int = 1,
    listener: TrainingListener = SILENT,
) -> Leakage:
    """Measure a recipe in each way: a classifier on pixels in ten folds, a network on one split each.

    Args:
        table: An audit's; its people must be known.
        recipe: What is trained.
        out: Folder for the trainings of a network; what is finished in it is not done again.
        seed: Of the permuted labels, splits and folds.
        listener: Told how it goes.

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
        raise CohortError(
            f"{FOLDS} people or more are needed; there {'is' if people.max() == 0 else 'are'} {people.max() + 1}."
        )
    shuffled = table.assign(label=permuted(table["label"].to_numpy(str), people, seed))
    scans = read_scans(table["path"].tolist(), recipe) if on_pixels else None
    found = []
    for scheme in SCHEMES:
        listener.say(scheme.title.lower())
        given = shuffled if scheme.permuted else table
        if scans is not None:
            slices = _Slices(scans, given["label"].to_numpy(str), people)
            accuracy = fraction_over_people(_in_folds(slices, recipe, by=scheme.by, seed=seed), people)
        else:
            assert out is not None  # noqa: S101 - checked above
            run = out / scheme.name
            run.mkdir(parents=True, exist_ok=True)
            write_table(run / "leak_split.csv", SPLITTERS[scheme.by](given, seed=seed))
            accuracy = _trained(recipe, run, listener)
        found.append(
            SchemeAccuracy(
                name=scheme.name, title=scheme.title, by=scheme.by, permuted_labels=scheme.permuted, accuracy=accuracy
            )
        )
    counts = table["label"].value_counts()
    return Leakage(
        recipe=recipe.title,
        slices=len(table),
        people=int(people.max()) + 1,
        largest_class=str(counts.index[0]),
        always_largest=float(counts.iloc[0] / len(table)),
        schemes=tuple(found),
    )


def permuted(labels: NDArray[np.str_], people: NDArray[np.int64], seed: int) -> NDArray[np.str_]:
    """Return labels with the people's classes shuffled among them: as many people in each class, all slices of one
    alike.
    """
    first = np.unique(people, return_index=True)[1]
    return np.random.default_rng(seed).permutation(labels[first])[people]


@dataclass(frozen=True, eq=False)
class _Slices:
    """Scans (uint8, N × …), their labels (N names) and their people (N numbers from 0)."""

    scans: NDArray[np.uint8]
    labels: NDArray[np.str_]
    people: NDArray[np.int64]


def _in_folds(slices: _Slices, recipe: Recipe, *, by: str, seed: int) -> NDArray[np.bool_]:
    """Tell for each scan whether a classifier that was trained on the other folds is right."""
    assert recipe.classic is not None  # noqa: S101 - the caller has looked
    names, y_true = np.unique(slices.labels, return_inverse=True)
    features = slices.scans.reshape(len(slices.scans), -1).astype(np.float32)
    how = {"n_splits": FOLDS, "shuffle": True, "random_state": seed}
    if by == "subject":
        folds = StratifiedGroupKFold(**how).split(features, y_true, slices.people)
    else:
        folds = StratifiedKFold(**how).split(features, y_true)
    right = np.zeros(len(y_true), bool)
    for known, asked in folds:
        fitted = fit_classic(recipe.classic, recipe.imbalance, features[known], y_true[known], seed=recipe.seed)
        right[asked] = classic_logits(fitted, features[asked], len(names)).argmax(axis=1) == y_true[asked]
    return right


def _trained(recipe: Recipe, run: Path, listener: TrainingListener) -> Estimate:
    """Train a network on the split in a folder, or go on with it, and return its accuracy on the test slices."""
    from core.workflows.train import Request, run_training

    card = run_training(Request(recipe, run / "leak_split.csv", run / "run", resume=True), listener=listener).card
    assert card is not None  # noqa: S101 - whole recipes are trained here
    return card.by_slice["accuracy"]
