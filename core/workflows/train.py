"""A whole training: phases, evaluation on the test part, and the bundle with its card."""

import datetime
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.cohorts.split_summary import describe_split
from core.errors import BundleError, TrainingError
from core.evaluation.confounder_analysis import Subjects, confounder_analysis, metrics_by_unit
from core.evaluation.predictions import with_logits
from core.files import write_json, write_table
from core.networks.architectures.network import build_network
from core.networks.backend import backend_name, compile_forward, in_batches
from core.networks.bundle import round_weights, write_bundle
from core.networks.card import FORMAT, Bundle, open_bundle
from core.networks.devices import device_title
from core.networks.inference.predictor import Predictor, load_predictor
from core.networks.recipe import Recipe, recipe_values
from core.networks.subset import fingerprint, load_subset
from core.networks.weights.tensors import Tensors, assign, tensors_of
from core.runs.folder import BUNDLE_FOLDER, METRICS_FILE, PREDICTIONS_FILE
from core.training.phases import Record, Step
from core.training.train import Trained, TrainingConfig, train
from core.workflows.calibrate import COVERAGE, fit_uncertainty

PART_TITLES = {"train": "training", "val": "validation", "test": "test"}
PACKAGES = ("keras", "tensorflow", "torch", "jax", "numpy", "opencv-python-headless", "scikit-image", "scikit-learn")
INTENDED_USE = "Research and education. Not a medical device; not for the care of patients."
LIMITS = {
    "alzheimer": (
        "Trained on one axial slice at a time from one public collection of 200 people (OASIS-1), one scanner.",
        "Moderate Demented has two people: nothing can be said of that class.",
        "Age is a trap in this collection: its youngest people are all Non Demented, so part of any figure for all "
        "ages may be the recognition of age.",
        "The images must be skull-stripped, bias-corrected axial T1 slices in Talairach space, 30 mm around the "
        "ventricles; an answer to anything else that is not refused means nothing.",
        "Of volumes it reads slices in standard space; it was tested on the collection's own slices only, never on "
        "heads that were registered here or on other scanners.",
    ),
    "tumour": (
        "People cannot be told apart in the public collection, so slices of one person may lie in several parts.",
    ),
}


@dataclass(frozen=True, eq=False)
class Request(TrainingConfig):
    """What to train and where; the bundle goes into the folder "bundle" of the run.

    Attributes:
        published: A bundle of the same recipe trained on a split by slice of the same data, whose figures are put
            beside this one's; None for none.
    """

    published: Path | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a training left.

    Attributes:
        folder: The run's folder.
        card: The figures and what they were made with; None while pieces of the recipe are still to be run.
        bundle: The trained network; None for unfinished runs and for classic classifiers, which are baselines only.
    """

    folder: Path
    card: dict[str, Any] | None = None
    bundle: Bundle | None = None


def run_training(
    request: Request, *, step: Step, say: Callable[[str], None], record: Record = lambda *_: None
) -> Outcome:
    """Train, evaluate on the test part, and write the bundle.

    Args:
        request: What to train and where.
        step: Called after every batch.
        say: Called with a sentence at each turn.
        record: Called after every epoch.

    Raises:
        StageLensError: As raised by the rooms below.
    """
    published = open_bundle(request.published) if request.published else None
    recipe, out = request.recipe, request.out
    trained = train(request, step=step, say=say, record=record)
    if not trained.finished:
        return Outcome(out)
    if published is not None:
        _check_comparable(published, recipe, trained.facts)
    test = "test" if "test" in trained.parts else "val"
    say(f"evaluating on the {PART_TITLES[test]} part" + ("" if test == "test" else "; there is no test part"))
    tensors: Tensors = {}
    rounding: dict[str, Any] = {}
    if trained.network is None or recipe.classic is not None:
        logits = trained.logits
    else:
        network = build_network(recipe)
        assign(network.whole.weights, tensors_of(trained.network.whole.weights), "the trained network")
        forward = compile_forward(network)
        tensors, rounding = round_weights(network, forward, trained.parts[test].scans)
        logits = {name: in_batches(forward, part.scans, recipe.batch_size) for name, part in trained.parts.items()}
    _write_predictions(out, trained, logits)
    card = {
        "format": FORMAT,
        "name": recipe.name,
        "title": recipe.title,
        "task": recipe.task,
        "classes": list(recipe.classes),
        "recipe": recipe_values(recipe),
        "start": trained.facts.get("start", "none"),
        "data_fingerprint": trained.facts["data_fingerprint"],
        "split": describe_split(trained.split),
        "evaluated_on": test,
        **metrics_by_unit(trained.parts[test].labels, logits[test], trained.parts[test].subjects, recipe.as_task()),
        "published_protocol": _published(published),
        "training": _histories(out, recipe),
        "device": device_title(),
        "precision": trained.facts.get("precision", "float32"),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": _versions(),
        **rounding,
        "intended_use": INTENDED_USE,
        "limits": list(LIMITS.get(recipe.task, ())),
    }
    if not tensors:
        write_json(out / METRICS_FILE, card)
        return Outcome(out, card)
    write_bundle(out / BUNDLE_FOLDER, tensors, card)
    bundle = open_bundle(out / BUNDLE_FOLDER)
    say("learning how far to believe it")
    bundle = fit_uncertainty(bundle, Predictor(bundle, network, engine="keras"), trained.parts)
    return Outcome(out, bundle.card, bundle)


def train_bundle(request: Request, *, step: Step, say: Callable[[str], None]) -> Bundle:
    """Train as `run_training` does and return the bundle.

    Raises:
        TrainingError: The recipe makes no bundle, or only a piece of it was asked for.
        StageLensError: As raised by the rooms below.
    """
    bundle = run_training(request, step=step, say=say).bundle
    if bundle is None:
        raise TrainingError(f"{request.recipe.name} leaves no network to predict with.")
    return bundle


def calibrate_bundle(
    bundle: Bundle, split: pd.DataFrame, *, coverage: float = COVERAGE, people: Subjects | None = None
) -> Bundle:
    """Measure a bundle anew and learn how far it is to be believed, as at the end of its training.

    Args:
        bundle: What is calibrated; its card is written anew.
        split: The split table it was trained on.
        coverage: Of the prediction sets.
        people: What is known of the people, to hold against the figures; None for nothing.

    Raises:
        BundleError: It was trained on another split.
        StageLensError: As raised by the rooms below.
    """
    if describe_split(split)["hash"] != bundle.card["split"]["hash"]:
        raise BundleError(f"{bundle.name} was trained on another split; only its own knows whom it has not seen.")
    parts = {name: load_subset(split, name, bundle.recipe) for name in sorted(set(split["part"]))}
    if fingerprint(list(parts.values())) != bundle.card["data_fingerprint"]:
        raise BundleError(f"{bundle.name} was trained on other scans than those of this split.")
    asked, task = "test" if "test" in parts else "val", bundle.recipe.as_task()
    data, paths = parts[asked], split.loc[split["part"] == asked, "path"].tolist()

    def measure(logits: NDArray[np.float32]) -> dict[str, Any]:
        metrics = metrics_by_unit(data.labels, logits, data.subjects, task)
        if people is None:
            return metrics
        return {**metrics, "confounders": confounder_analysis(people, paths, data.labels, logits, data.subjects, task)}

    return fit_uncertainty(bundle, load_predictor(bundle), parts, coverage=coverage, measure=measure)


def _check_comparable(published: Bundle, recipe: Recipe, facts: dict[str, Any]) -> None:
    card = published.card
    if published.recipe != recipe:
        raise TrainingError("the bundle given with --published was trained with another recipe.")
    if card["data_fingerprint"] != facts["data_fingerprint"]:
        raise TrainingError("the bundle given with --published was trained on other data.")
    if card["split"]["by"] != "slice":
        raise TrainingError("the bundle given with --published was not trained on a split by slice.")


def _write_predictions(out: Path, trained: Trained, logits: dict[str, np.ndarray]) -> None:
    """Keep what the network said of every scan, for folds, thresholds and later questions."""
    split = trained.split
    tables = [with_logits(split[split["part"] == name], values, trained.recipe) for name, values in logits.items()]
    write_table(out / PREDICTIONS_FILE, pd.concat(tables))


def _published(bundle: Bundle | None) -> dict[str, Any] | None:
    if bundle is None:
        return None
    return {key: bundle.card[key] for key in ("split", "by_slice", "by_subject", "training", "date")}


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
