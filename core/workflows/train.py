"""A whole training: phases, evaluation on the test part, and the bundle with its card."""

import datetime
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.cohorts.covariates import covariates_of, read_subjects
from core.cohorts.split import read_split
from core.cohorts.split_summary import describe_split, missing_classes
from core.errors import TrainingError
from core.evaluation.confounders import SubjectFacts
from core.evaluation.metrics import metrics_of
from core.evaluation.predictions import with_logits
from core.files import write_json, write_table
from core.networks.architectures.network import Network, build_network
from core.networks.bundle import Bundle, open_bundle
from core.networks.card import BestEpoch, Card, PhaseSummary, PublishedProtocol
from core.networks.devices import device_title
from core.networks.fitting import recipe_for
from core.networks.inference.conversion import compile_body
from core.networks.inference.engine import Body
from core.networks.inference.morphometric import as_seen, tissue_body
from core.networks.inference.predictor import Predictor
from core.networks.recipe import Recipe
from core.networks.subset import fingerprint_of_split
from core.networks.titles import title_of
from core.networks.weights.bundle_files import Rounding, round_weights, write_bundle
from core.networks.weights.storage import Tensors
from core.networks.weights.tensors import assign, tensors_of
from core.reporting.text.card_data import data_sentences, limit_sentences
from core.results import write
from core.runs.folder import (
    BUNDLE_FOLDER,
    METRICS_FILE,
    PREDICTIONS_FILE,
    card_of_run,
    is_finished,
    mark_finished,
)
from core.runs.request import check_same, versions
from core.training.listeners import SILENT, TrainingListener
from core.training.train import Trained, TrainingConfig, check_folder, train
from core.workflows.calibrate import (
    Passed,
    fit_uncertainty,
    measured_part,
    nearest_of,
    pass_over,
    scored_subset,
    with_confounders,
)

PART_TITLES = {"train": "training", "val": "validation", "test": "test"}
INTENDED_USE = "Research and education. Not a medical device; not for the care of patients."


@dataclass(frozen=True, eq=False)
class Request(TrainingConfig):
    """What to train and where; the bundle goes into the folder "bundle" of the run.

    Attributes:
        published: A bundle of the same recipe trained on a split by slice of the same data, whose metrics are put
            beside this one's; None for none.
    """

    published: Path | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a training left.

    Attributes:
        folder: The run's folder.
        card: The metrics and what they were made with; None while stages of the recipe are still to be run.
        bundle: The trained network; None for unfinished runs and for classic classifiers, which are baselines only.
    """

    folder: Path
    card: Card | None = None
    bundle: Bundle | None = None


@dataclass(frozen=True, eq=False)
class _Answered:
    """A trained network's weights as they are kept, and what it says of every part.

    Attributes:
        logits: By part, N × classes.
        tensors: Weights by variable path; none for classic classifiers.
        rounding: What was done to them.
        network: The network with these weights; None for classic classifiers and morphometric models.
        body: Its forward pass.
        passed: What its one pass over all parts left.
    """

    logits: dict[str, NDArray[np.float32]]
    tensors: Tensors = field(default_factory=dict)
    rounding: Rounding = field(default_factory=Rounding)
    network: Network | None = None
    body: Body | None = None
    passed: Passed | None = None


def for_its_split(request: Request, split: pd.DataFrame | None = None) -> Request:
    """Return a request whose recipe has the classes of its split table.

    Args:
        request: What to train and where.
        split: A table in place of the request's; None to read that.

    Raises:
        StageLensError: The table cannot be read, or the recipe brings other classes of its own.
    """
    table = read_split(request.split_table) if split is None else split
    return replace(request, recipe=recipe_for(request.recipe, table))


def run_training(request: Request, *, listener: TrainingListener = SILENT) -> Outcome:
    """Train, evaluate on the test part, and write the bundle.

    Args:
        request: What to train and where; a recipe for other classes takes those of the split.
        listener: Told how it goes.

    Raises:
        StageLensError: As raised by the rooms below.
    """
    split = read_split(request.split_table)
    request = for_its_split(request, split)
    for sentence in missing_classes(split, request.recipe.as_task()):
        listener.say(sentence)
    published = open_bundle(request.published) if request.published else None
    done = finished_outcome(request)
    if done is not None:
        return done
    people = _people_of(request, split)
    trained = train(request, listener=listener)
    if not trained.finished:
        return Outcome(request.out)
    if published is not None:
        _check_comparable(published, request.recipe, str(trained.facts["data_fingerprint"]))
    test = measured_part(trained.parts)
    listener.say(f"evaluating on the {PART_TITLES[test]} part" + ("" if test == "test" else "; there is no test part"))
    answered = _answered(trained, test)
    _write_predictions(request.out, trained, answered.logits)
    card = _card(request, trained, answered, published)
    bundle = None
    if answered.tensors:
        listener.say("learning how far to believe it")
        bundle = Bundle(request.out / BUNDLE_FOLDER, card)
        predictor = Predictor(bundle, answered.network, body=answered.body)
        crossed = None if trained.tissue is None else trained.tissue.crossed
        found = fit_uncertainty(predictor, trained.parts, passed=answered.passed, crossed=crossed)
        card = found.on_card(card)
        if people is not None:
            paths = split.loc[split["part"] == test, "path"].tolist()
            scored = scored_subset(trained.parts[test], answered.logits[test], request.recipe)
            card = with_confounders(card, people, paths, scored)
        card = write_bundle(bundle.folder, answered.tensors, card, ood_model=found.ood_model)
        bundle = replace(bundle, card=card)
    else:
        write_json(request.out / METRICS_FILE, card.as_dict())
    mark_finished(request.out)
    return Outcome(request.out, bundle.card if bundle is not None else card, bundle)


def finished_outcome(request: Request) -> Outcome | None:
    """Return what a finished run in the folder left, where it is the very run that is asked for.

    Returns:
        Its outcome; None if there is none that is finished, only a stage of it is asked for, or the metrics to stand
        beside its own are others.

    Raises:
        TrainingError: The run in the folder was asked for with another recipe, split, scans, weights or software.
        StageLensError: As raised by the rooms below.
    """
    if not request.resume or request.only is not None or not is_finished(request.out):
        return None
    split = read_split(request.split_table)
    request = for_its_split(request, split)
    facts = check_folder(request, split)
    check_same(request.out, facts, {"data_fingerprint": fingerprint_of_split(split, request.recipe)})
    card, beside = card_of_run(request.out), open_bundle(request.published).card if request.published else None
    assert card is not None  # noqa: S101 - a finished run has one
    if write(card.published_protocol) != write(None if beside is None else _published(beside)):
        return None
    bundle = request.out / BUNDLE_FOLDER
    return Outcome(request.out, card, open_bundle(bundle) if bundle.exists() else None)


def train_bundle(request: Request, *, listener: TrainingListener = SILENT) -> Bundle:
    """Train as `run_training` does and return the bundle.

    Raises:
        TrainingError: The recipe makes no bundle, or only a stage of it was asked for.
        StageLensError: As raised by the rooms below.
    """
    bundle = run_training(request, listener=listener).bundle
    if bundle is None:
        raise TrainingError(f"{request.recipe.name} leaves no network to predict with.")
    return bundle


def _answered(trained: Trained, test: str) -> _Answered:
    recipe = trained.recipe
    if trained.tissue is not None:
        model, maps = trained.tissue.model, trained.tissue.maps
        mapped = {name: replace(part, scans=maps[name]) for name, part in trained.parts.items()}  # type: ignore[arg-type]
        passed = pass_over(lambda given: as_seen(model, given, len(recipe.classes)), mapped)
        passed = replace(passed, logits=trained.logits)  # nobody's by a model that has seen them
        return _Answered(trained.logits, model.tensors(), Rounding(), body=tissue_body(model, recipe), passed=passed)
    if trained.network is None or recipe.classic is not None:
        return _Answered(trained.logits)
    network = build_network(recipe)
    assign(network.whole.weights, tensors_of(trained.network.whole.weights), "the trained network")
    body = compile_body(network, engine="keras")
    tensors, rounding = round_weights(network, lambda scans: body.run(scans)[1], trained.parts[test].scans)
    passed = pass_over(body.run, trained.parts)
    return _Answered(passed.logits, tensors, rounding, network, body, passed)


def _card(request: Request, trained: Trained, answered: _Answered, published: Bundle | None) -> Card:
    recipe, test = trained.recipe, measured_part(trained.parts)
    scored = scored_subset(trained.parts[test], answered.logits[test], recipe)
    by_slice, by_subject = metrics_of(scored)
    return Card(
        name=recipe.name,
        recipe=recipe,
        split=describe_split(trained.split),
        data_fingerprint=trained.facts["data_fingerprint"],
        evaluated_on=test,
        by_slice=by_slice,
        by_subject=by_subject,
        published_protocol=None if published is None else _published(published.card),
        nearest=nearest_of(trained.parts, test, scored, recipe),
        training=tuple(_histories(request.out, recipe)),
        start=trained.facts.get("start", "none"),
        device=device_title(),
        precision=trained.facts.get("precision", "float32"),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        versions=versions(),
        weights_dtype=answered.rounding.dtype,
        probabilities_moved_by=answered.rounding.moved_by,
        intended_use=INTENDED_USE,
        limits=limit_sentences(trained.split, recipe, test),
        data=data_sentences(trained.split, recipe),
        heading=title_of(recipe, trained.facts.get("start", "")),
    )


def _people_of(request: Request, split: pd.DataFrame) -> SubjectFacts | None:
    """Read what is known of people, where it can stand beside the metrics; before the training, not after it.

    Raises:
        CohortError: The table cannot be read, or nobody who is tested is in it.
    """
    known = bool((split["subject"] != "").all())
    if request.people is None or not known or not request.recipe.as_task().decides:
        return None
    tested = split[split["part"] == measured_part(split.groupby("part").groups)]
    table = read_subjects(request.people)
    covariates_of(table, tested["path"].tolist(), tested["subject"].tolist())
    return SubjectFacts(table)


def _check_comparable(published: Bundle, recipe: Recipe, fingerprint: str) -> None:
    card = published.card
    if published.recipe != recipe:
        raise TrainingError("the bundle given with --published was trained with another recipe.")
    if card.data_fingerprint != fingerprint:
        raise TrainingError("the bundle given with --published was trained on other data.")
    if card.split.by != "slice":
        raise TrainingError("the bundle given with --published was not trained on a split by slice.")


def _write_predictions(out: Path, trained: Trained, logits: dict[str, NDArray[np.float32]]) -> None:
    """Keep what the network said of every scan, for folds, thresholds and later questions."""
    split = trained.split
    tables = [with_logits(split[split["part"] == name], values, trained.recipe) for name, values in logits.items()]
    write_table(out / PREDICTIONS_FILE, pd.concat(tables))


def _published(card: Card) -> PublishedProtocol:
    return PublishedProtocol(
        split=card.split, by_slice=card.by_slice, by_subject=card.by_subject, training=card.training, date=card.date
    )


def _histories(out: Path, recipe: Recipe) -> list[PhaseSummary]:
    """Summarise each phase's log: epochs, and its best epoch by validation loss."""
    phases = []
    for number, phase in enumerate(recipe.phases, start=1):
        log = pd.read_csv(out / f"phase{number}_log.csv")
        row = log.loc[log["val_loss"].idxmin()]
        best = BestEpoch(
            epoch=int(row["epoch"]), val_accuracy=float(row["val_accuracy"]), val_loss=float(row["val_loss"])
        )
        phases.append(PhaseSummary(phase=number, trains=phase.trains, epochs=len(log), best=best))
    return phases
