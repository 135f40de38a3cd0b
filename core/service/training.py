"""A whole training: phases, evaluation on the test part, and the bundle with its card."""

import datetime
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.errors import TrainingError
from core.evaluation.metrics import figures_by_person, figures_by_slice
from core.networks.backend import backend_name, compile_forward
from core.networks.bundle import round_weights, write_bundle
from core.networks.card import FORMAT, Bundle, open_bundle
from core.networks.network import build_network
from core.networks.parts import Part, load_part
from core.networks.predictor import load_predictor
from core.networks.recipe import Recipe, recipe_values
from core.networks.weights import assign, tensors_of
from core.service.splits import describe_split
from core.training.phases import Step, forward_in_batches
from core.training.train import train

BUNDLE_FOLDER = "bundle"
PACKAGES = ("keras", "tensorflow", "torch", "jax", "numpy", "opencv-python-headless", "scikit-image", "scikit-learn")
INTENDED_USE = "Research and education. Not a medical device; not for the care of patients."
LIMITS = {
    "alzheimer": (
        "Trained on one axial slice at a time from one public collection of 200 people (OASIS-1), one scanner.",
        "Moderate Demented has two people: nothing can be said of that class.",
        "Age is a trap in this collection: its youngest people are all Non Demented, so part of any figure here may be "
        "the recognition of age; figures for people of 60 and over only were not measured for this card.",
        "The images must be skull-stripped, bias-corrected axial T1 slices in Talairach space, 30 mm around the "
        "ventricles; anything else gets an answer that means nothing.",
        "Of volumes it reads slices in standard space; it was tested on the collection's own slices only, never on "
        "heads that were registered here or on other scanners.",
        "Probabilities are not calibrated.",
    ),
    "tumour": (
        "People cannot be told apart in the public collection, so slices of one person may lie in several parts.",
        "Probabilities are not calibrated.",
    ),
}


@dataclass(frozen=True, eq=False)
class Request:
    """What to train and where.

    Attributes:
        recipe: What to train.
        split_table: Who is in which part.
        out: Folder of the run; the bundle goes into its folder "bundle".
        weights: Start weights on disk, or None.
        published: A bundle of the same recipe trained on a split by slice of the same data, whose figures are put
            beside this one's; None for none.
        resume: Go on with a run that was interrupted.
    """

    recipe: Recipe
    split_table: Path
    out: Path
    weights: Path | None = None
    published: Path | None = None
    resume: bool = False


def train_bundle(request: Request, *, step: Step, say: Callable[[str], None]) -> Bundle:
    """Train, evaluate on the test part, and write the bundle.

    Args:
        request: What to train and where.
        step: Called after every batch.
        say: Called with a sentence at each turn.

    Raises:
        StageLensError: As raised by the rooms below.
    """
    published = open_bundle(request.published) if request.published else None
    recipe = request.recipe
    trained = train(
        recipe, request.split_table, request.out, weights=request.weights, resume=request.resume, step=step, say=say
    )
    if published is not None:
        _check_comparable(published.card, recipe, trained.facts)
    network = build_network(recipe)
    assign(network.whole.weights, tensors_of(trained.network.whole.weights), "the trained network")
    forward = compile_forward(network)
    test = trained.test or load_part(trained.split, "val", network)
    tensors, rounding = round_weights(network, forward, test.scans)
    say("evaluating on the test part" if trained.test else "evaluating on the validation part; there is no test part")
    card = {
        "format": FORMAT,
        "name": recipe.name,
        "title": recipe.title,
        "task": recipe.task,
        "classes": list(recipe.classes),
        "recipe": recipe_values(recipe),
        "start": trained.facts["start"],
        "data_fingerprint": trained.facts["data_fingerprint"],
        "split": describe_split(trained.split),
        "evaluated_on": "test" if trained.test else "val",
        **_figures(forward_in_batches(forward, test.scans, recipe.batch_size), test, recipe),
        "published_protocol": _published(published),
        "training": _histories(request.out, recipe),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": _versions(),
        **rounding,
        "intended_use": INTENDED_USE,
        "limits": list(LIMITS.get(recipe.task, ())),
    }
    write_bundle(request.out / BUNDLE_FOLDER, tensors, card)
    return open_bundle(request.out / BUNDLE_FOLDER)


def evaluate_bundle(bundle: Bundle, split: pd.DataFrame, *, part: str = "test") -> dict[str, Any]:
    """Evaluate a bundle on one part of a split.

    Returns:
        Plain values: `model`, `part`, `split`, `by_slice` and `by_person` (null where people are not known), and
        `warnings`, which say so when the bundle may have been trained on these people.

    Raises:
        StageLensError: As raised by the rooms below.
    """
    predictor = load_predictor(bundle)
    data = load_part(split, part, predictor.network)
    forward = compile_forward(predictor.network)
    logits = forward_in_batches(forward, data.scans, bundle.recipe.batch_size)
    described = describe_split(split)
    warnings = []
    if described["hash"] != bundle.card["split"]["hash"]:
        warnings.append("This is not the split the bundle was trained on: it may have been trained on these scans.")
    elif part != "test":
        warnings.append(f"The bundle was trained or chosen on the {part} part of this split.")
    if described["tearing"]:
        warnings.append(described["tearing"])
    figures = _figures(logits, data, bundle.recipe)
    return {"model": bundle.name, "part": part, "split": described, **figures, "warnings": warnings}


def _figures(logits: np.ndarray, part: Part, recipe: Recipe) -> dict[str, Any]:
    by_person = figures_by_person(part.labels, logits, part.subjects, recipe.classes)
    return {
        "by_slice": figures_by_slice(part.labels, logits, part.subjects, recipe.classes).as_dict(),
        "by_person": by_person.as_dict() if by_person is not None else None,
    }


def _check_comparable(card: dict[str, Any], recipe: Recipe, facts: dict[str, Any]) -> None:
    if card["recipe"] != recipe_values(recipe):
        raise TrainingError("the bundle given with --published was trained with another recipe.")
    if card["data_fingerprint"] != facts["data_fingerprint"]:
        raise TrainingError("the bundle given with --published was trained on other data.")
    if card["split"]["by"] != "slice":
        raise TrainingError("the bundle given with --published was not trained on a split by slice.")


def _published(bundle: Bundle | None) -> dict[str, Any] | None:
    if bundle is None:
        return None
    return {key: bundle.card[key] for key in ("split", "by_slice", "by_person", "training", "date")}


def _histories(out: Path, recipe: Recipe) -> list[dict[str, Any]]:
    """Summarise each phase's log: epochs, and its best epoch by validation loss."""
    phases = []
    for number, phase in enumerate(recipe.phases, start=1):
        log = pd.read_csv(out / f"phase{number}_log.csv")
        row = log.loc[log["val_loss"].idxmin()]
        best = {
            "epoch": int(row["epoch"]),
            "val_accuracy": float(row["val_accuracy"]),
            "val_loss": float(row["val_loss"]),
        }
        phases.append({"phase": number, "trains": phase.trains, "epochs": len(log), "best": best})
    return phases


def _versions() -> dict[str, str]:
    versions = {"backend": backend_name()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
