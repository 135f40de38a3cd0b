"""From a recipe and a split to trained weights, phase by phase; every part of it resumes from what is on disk."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.cohorts.split import read_split
from core.errors import StageLensError, TrainingError
from core.files import UNFINISHED, read_json, replacing, write_json, write_table
from core.networks.architectures.network import Network, build_network
from core.networks.backend import compile_forward, compile_model, make_repeatable
from core.networks.devices import resolve_precision, spread_over_devices
from core.networks.recipe import Phase, Recipe
from core.networks.subset import Subset, fingerprint, load_subset
from core.networks.weights.storage import load_tensors, save_tensors
from core.networks.weights.tensors import assign, set_start_weights, tensors_of
from core.runs.folder import FINISHED_FILE, RECIPE_FILE, RUN_FILE, SPLIT_FILE, write_recipe
from core.runs.request import check_same, contents, file_digest, requested, split_values
from core.training.classic import classic_logits, fit_classic
from core.training.embeddings import EmbeddingStore
from core.training.head_reset import renew_head
from core.training.imbalance import oversample
from core.training.listeners import SILENT, TrainingListener
from core.training.morphometry import LearnedTissue, facts_of, learn_tissue_model
from core.training.phases import BEST, STATE, Labelled, PhaseData, Run, State, read_state, run_phase

BEFORE_RUN = frozenset({SPLIT_FILE, RECIPE_FILE})  # what may lie there when a run was killed as it began
EMBEDDINGS = "embeddings"
SCANS = "scans"

Stage = Literal["base", "embed", "balance", "classify"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True, eq=False)
class TrainingConfig:
    """What to train, and how far.

    Attributes:
        recipe: What to train.
        split_table: The table of who is in which part.
        out: Folder of the run; new or empty, unless resumed.
        weights: Start weights on disk.
        resume: Go on with the run in `out`, where there is one, after its last finished epoch.
        only: One stage of a recipe that ends with a classifier on embeddings: "base" trains the phases before,
            "embed" stores the embeddings, "balance" makes synthetic ones for rare classes, "classify" trains the
            classifier. Each goes on from what the others left in `out`. None for everything.
        embeddings: Folder of embeddings for several runs; None for one in the run's own folder.
        people: A table of people, for recipes that ask for age; None without.
    """

    recipe: Recipe
    split_table: Path
    out: Path
    weights: Path | None = None
    resume: bool = False
    only: Stage | None = None
    embeddings: Path | None = None
    people: Path | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """A run as far as it has come.

    Attributes:
        recipe: What was trained.
        split: The split table it was trained on.
        parts: The parts of the split, decoded.
        facts: What a card needs to know: start, precision, fingerprint of the data, hash of the split.
        finished: Whether every phase is trained.
        network: The network with the weights of the last phase's best epoch; None for classic classifiers and
            morphometric models.
        tissue: A morphometric model.
        logits: Of a classic classifier or a morphometric model, by part.
    """

    recipe: Recipe
    split: pd.DataFrame
    parts: dict[str, Subset]
    facts: dict[str, Any]
    finished: bool
    network: Network | None = None
    tissue: LearnedTissue | None = None
    logits: dict[str, NDArray[np.float32]] = field(default_factory=dict)


def train(config: TrainingConfig, *, listener: TrainingListener = SILENT) -> Trained:
    """Train a recipe's phases on a split.

    Args:
        config: What to train, and how far.
        listener: Told how it goes; what it raises ends the run, which can be resumed.

    Raises:
        TrainingError: The folder holds another run, its scans have changed, or the data do not fit the recipe.
        StageLensError: As raised by what it calls.
    """
    recipe, folder = config.recipe, config.out
    split = read_split(config.split_table)
    make_repeatable(recipe.seed)
    begun_before = (folder / RUN_FILE).exists()
    facts = _open_run(config, split)
    try:
        listener.say("reading the scans")
        parts = {name: load_subset(split, name, recipe, store=folder / SCANS) for name in sorted(set(split["part"]))}
        if not {"train", "val"} <= parts.keys():
            raise TrainingError("the split needs a train and a val part.")
        _check_classes(parts["train"], recipe)
        found = fingerprint(list(parts.values()))
        if "data_fingerprint" in facts:
            check_same(folder, facts, {"data_fingerprint": found})
        facts["data_fingerprint"] = found
        network = _started(config, facts, parts["train"]) if recipe.has_network else None
    except StageLensError:
        if not begun_before:
            _clear(folder)
        raise
    write_json(folder / RUN_FILE, facts)
    listener.say(", ".join(f"{len(part.labels)} {name}" for name, part in parts.items()) + " scans")
    if recipe.morphometry is not None:
        about = facts_of(config.people, split, parts)
        tissue = learn_tissue_model(recipe, parts, about, config.embeddings or folder / EMBEDDINGS, listener)
        return Trained(recipe, split, parts, facts, finished=True, tissue=tissue, logits=tissue.logits)
    if recipe.classic is not None:
        logits = _classic(config, network, parts, facts, listener=listener)
        return Trained(recipe, split, parts, facts, finished=True, logits=logits)
    assert network is not None  # noqa: S101 - only classic classifiers do without
    run = Run(folder, network, listener)
    finished = _all_phases(config, run, parts, facts, listener=listener)
    return Trained(recipe=recipe, split=split, parts=parts, facts=facts, finished=finished, network=network)


def _started(config: TrainingConfig, facts: dict[str, Any], known: Subset) -> Network:
    """Build the network and give it its start, or the end of the last phase that is on disk."""
    recipe, folder = config.recipe, config.out
    facts["precision"] = facts.get("precision") or resolve_precision(recipe.precision)
    facts["spread_over"] = spread_over_devices(recipe.batch_size)
    network = build_network(recipe, precision=facts["precision"], for_training=True)
    state = read_state(folder)
    if "start" in facts and _checkpoint(folder, 0).exists():
        number = 0
        if state is not None:
            ended = state.done and _checkpoint(folder, state.phase).exists()
            number = state.phase if ended else state.phase - 1
        assign(network.whole.weights, load_tensors(_checkpoint(folder, number)), f"phase{number}.safetensors")
        return network
    few = np.linspace(0, len(known.labels) - 1, min(64, len(known.labels))).astype(int)
    facts["start"] = set_start_weights(network, config.weights, known.scans[few])
    save_tensors(_checkpoint(folder, 0), tensors_of(network.whole.weights))
    return network


def _all_phases(
    config: TrainingConfig, run: Run, parts: dict[str, Subset], facts: dict[str, Any], listener: TrainingListener
) -> bool:
    """Train every phase that is wanted and not done yet; tell whether all are done."""
    recipe, state = config.recipe, read_state(run.folder)
    if config.only is not None:
        _check_stages(recipe)
    forward = compile_forward(run.network)
    for number, phase in enumerate(recipe.phases, start=1):
        if state is not None and _is_over(run, number, state):
            continue
        resumed = state if state is not None and state.phase == number else None
        if resumed is None and phase.fresh_head:
            renew_head(run.network, recipe.seed + number)
        if recipe.on_embeddings(phase):
            embedded = _on_embeddings(config, run, parts, facts, number=number, listener=listener)
            if embedded is None:
                return False
            data = embedded
        else:
            if config.only not in {None, "base"}:
                if run.checkpoint(number).exists():
                    continue
                raise TrainingError(f"the stage {config.only} needs the stage base; run that first.")
            data = PhaseData(run.network.whole, forward, lambda _: _pair(parts["train"]), _pair(parts["val"]))
        listener.say(_title(recipe, number, phase, resumed))
        run_phase(run, phase, number, data, state=resumed)
    return True


def _is_over(run: Run, number: int, state: State) -> bool:
    """Tell whether a phase has ended and left its weights."""
    return number < state.phase or (number == state.phase and state.done and run.checkpoint(number).exists())


def _pair(part: Subset) -> Labelled:
    return part.scans, part.labels


def _on_embeddings(
    config: TrainingConfig,
    run: Run,
    parts: dict[str, Subset],
    facts: dict[str, Any],
    number: int,
    listener: TrainingListener,
) -> PhaseData | None:
    """Make what a phase on embeddings trains on, as far as the order goes; None when it goes no further."""
    phase, network = config.recipe.phases[number - 1], run.network
    if config.only == "base":
        return None
    store = EmbeddingStore(config.embeddings or run.folder / EMBEDDINGS, network, precision=facts["precision"])
    views = range(1, phase.views + 1) if phase.views else range(1)
    if config.only in {"balance", "classify"} and not all(store.path(parts["train"], view).exists() for view in views):
        raise TrainingError(f"the stage {config.only} needs the stage embed; run that first.")
    listener.say("embedding the scans" if config.only in {None, "embed"} else "reading the embeddings")
    labels = parts["train"].labels
    embedded: list[Labelled] = [(store.get(parts["train"], view), labels) for view in views]
    given = {name: store.get(part) for name, part in parts.items() if name != "train"}
    if config.only == "embed":
        return None
    if phase.oversampling is not None:
        embedded = [
            _balanced(config, run, number, view, pair=pair, listener=listener) for view, pair in enumerate(embedded)
        ]
        if config.only == "balance":
            return None
    classifier = network.classifier
    return PhaseData(
        classifier,
        compile_model(classifier),
        lambda epoch: embedded[epoch % len(embedded)],
        (given["val"], parts["val"].labels),
    )


def _balanced(
    config: TrainingConfig, run: Run, number: int, view: int, pair: Labelled, listener: TrainingListener
) -> Labelled:
    """Make synthetic embeddings for rare classes, or read those made before."""
    oversampling = config.recipe.phases[number - 1].oversampling
    assert oversampling is not None  # noqa: S101 - the caller has looked
    path = run.folder / f"balanced{number}_view{view}.npz"
    if path.exists():
        with np.load(path) as stored:
            return stored["embeddings"], stored["labels"]
    if config.only == "classify":
        raise TrainingError("the stage classify needs the stage balance; run that first.")
    made, labels = oversample(oversampling, *pair, seed=config.recipe.seed + view)
    became = f"{len(pair[1])} embeddings became {len(labels)}"
    listener.say(f"{oversampling.method}: {became} ({_counts(pair[1], labels, config.recipe)})")
    with replacing(path) as unfinished:
        np.savez(unfinished, embeddings=made, labels=labels)
    return made, labels


def _counts(before: NDArray[np.int64], after: NDArray[np.int64], recipe: Recipe) -> str:
    """Say how many of each class there were and are."""
    size = len(recipe.classes)
    counts = zip(recipe.classes, np.bincount(before, minlength=size), np.bincount(after, minlength=size), strict=True)
    return ", ".join(f"{name} {old:,} to {new:,}" for name, old, new in counts)


def _classic(
    config: TrainingConfig,
    network: Network | None,
    parts: dict[str, Subset],
    facts: dict[str, Any],
    listener: TrainingListener,
) -> dict[str, NDArray[np.float32]]:
    """Fit a classic classifier and return its logits of every part."""
    recipe = config.recipe
    assert recipe.classic is not None  # noqa: S101 - the caller has looked
    if network is None:
        features = {name: part.scans.reshape(len(part.labels), -1).astype(np.float32) for name, part in parts.items()}
    else:
        listener.say("embedding the scans")
        folder = config.embeddings or config.out / EMBEDDINGS
        store = EmbeddingStore(folder, network, precision=facts["precision"])
        features = {name: store.get(part) for name, part in parts.items()}
    listener.say(f"fitting {recipe.classic.kind.replace('_', ' ')} on {features['train'].shape[1]} features")
    labels = parts["train"].labels
    fitted = fit_classic(recipe.classic, recipe.imbalance, features["train"], labels, seed=recipe.seed)
    n_classes = len(recipe.classes)
    return {name: classic_logits(fitted, given, n_classes) for name, given in features.items()}


def _check_stages(recipe: Recipe) -> None:
    on_embeddings = [recipe.on_embeddings(phase) for phase in recipe.phases]
    if not on_embeddings or not on_embeddings[-1] or any(on_embeddings[:-1]):
        raise TrainingError(f"{recipe.name} has no stages: only a recipe whose last phase is on embeddings has.")


def _title(recipe: Recipe, number: int, phase: Phase, resumed: State | None) -> str:
    where = "on embeddings, " if recipe.on_embeddings(phase) else ""
    title = f"phase {number} of {len(recipe.phases)}: {phase.trains}, {where}learning rate {phase.learning_rate:g}"
    return title + (f", going on after epoch {resumed.epoch}" if resumed else "")


def _checkpoint(folder: Path, number: int) -> Path:
    return folder / f"phase{number}.safetensors"


def check_folder(config: TrainingConfig, split: pd.DataFrame) -> dict[str, Any]:
    """See that a run can begin in its folder, or that the one in it was begun with the same request; changes nothing.

    Args:
        config: What to train, and where.
        split: Its split table.

    Returns:
        What is known of the run in the folder; nothing of one that is to begin.

    Raises:
        TrainingError: The folder holds something else, or another run, or one that was not to be resumed.
    """
    folder, wanted = config.out, _request(config, split)
    if folder.exists() and not folder.is_dir():
        raise TrainingError(f"{folder} is a file; give a folder.")
    held = {path.name.removeprefix(UNFINISHED) for path in contents(folder)}
    if RUN_FILE not in held:
        if held - BEFORE_RUN:
            raise TrainingError(f"{folder} is not empty and holds no run; give a new folder.")
        return {}
    if not config.resume and config.only is None:
        raise TrainingError(f"{folder} is not empty; give a new folder, or --resume to go on with the run in it.")
    facts: dict[str, Any] | None = read_json(folder / RUN_FILE)
    if not isinstance(facts, dict):
        raise TrainingError(f"{folder} cannot be resumed: {RUN_FILE} is damaged.")
    check_same(folder, facts, wanted)
    return facts


def _request(config: TrainingConfig, split: pd.DataFrame) -> dict[str, Any]:
    people = {} if config.people is None else {"people": file_digest(config.people)}
    return requested(config.recipe, config.weights, **split_values(split), **people)


def _open_run(config: TrainingConfig, split: pd.DataFrame) -> dict[str, Any]:
    """Begin a run folder, or open the one to resume."""
    folder, facts = config.out, check_folder(config, split)
    if not facts:
        facts = _request(config, split)
        folder.mkdir(parents=True, exist_ok=True)
        write_table(folder / SPLIT_FILE, split)
        write_recipe(folder / RECIPE_FILE, config.recipe)
        write_json(folder / RUN_FILE, facts)  # from here on there is a run
        return facts
    (folder / FINISHED_FILE).unlink(missing_ok=True)
    if (folder / STATE).exists() and not (folder / BEST).exists():
        (folder / STATE).unlink()
    return facts


def _clear(folder: Path) -> None:
    for path in contents(folder):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def _check_classes(part: Subset, recipe: Recipe) -> None:
    """Reject fewer than two classes, which no metric would ever complain about."""
    present = sorted(set(part.labels.tolist()))
    if len(present) < 2:
        raise TrainingError(
            f"the training part holds one class only, {recipe.classes[present[0]]!r}; give at least two."
        )
