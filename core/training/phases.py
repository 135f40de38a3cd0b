"""The training loop: phases of epochs, early stopping, a log per phase, and a state that survives a kill."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import safe_open

from core.errors import TrainingError
from core.files import write_table
from core.networks.architectures.freezing import freeze_for
from core.networks.architectures.network import Network
from core.networks.backend import Forward, compile_for_training, in_batches
from core.networks.recipe import Phase
from core.networks.weights.storage import load_tensors, save_tensors
from core.networks.weights.tensors import tensors_of
from core.training.imbalance import class_weights, draw_order, loss_of
from core.training.listeners import TrainingListener

COLUMNS = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate", "seconds")
STATE = "state.safetensors"
BEST = "best.safetensors"
STALLED_EPOCHS, LOWERED_TO = 2, 0.2  # the "plateau" schedule
EXPLODED = 10.0  # times the best validation loss, or that of guessing

Labelled = tuple[NDArray, NDArray[np.int64]]


@dataclass(frozen=True)
class State:
    """How far a run has come.

    Attributes:
        phase: The phase in progress, from 1.
        epoch: Epochs finished in it.
        best: Smallest validation loss in it so far.
        waited: Epochs since then.
        done: Whether the phase has ended.
        fraction: Of the phase's learning rate, as the "plateau" schedule has left it.
        stalled: Epochs since the best or since the rate was last lowered.
    """

    phase: int
    epoch: int = 0
    best: float = float("inf")
    waited: int = 0
    done: bool = False
    fraction: float = 1.0
    stalled: int = 0


@dataclass(frozen=True, eq=False)
class PhaseData:
    """What a phase trains, and on what: the whole network on scans, or its classifier on embeddings.

    Attributes:
        model: The model; training changes it.
        forward: Its compiled forward pass.
        train: From an epoch's number, from 0, to inputs (N × …) and labels (N).
        val: Inputs and labels to validate on.
    """

    model: keras.Model
    forward: Forward
    train: Callable[[int], Labelled]
    val: Labelled


@dataclass(frozen=True, eq=False)
class Run:
    """What all phases of a run have in common.

    Attributes:
        folder: Where logs, states and checkpoints go.
        network: The network; training changes it.
        listener: Told of every epoch and batch.
    """

    folder: Path
    network: Network
    listener: TrainingListener

    def checkpoint(self, number: int) -> Path:
        """Return where the network is kept after a phase; 0 for the start."""
        return self.folder / f"phase{number}.safetensors"


def run_phase(run: Run, phase: Phase, number: int, data: PhaseData, state: State | None) -> None:
    """Train one phase to its end, from its start or from the state of a killed run.

    After every epoch the log and the state are on disk; a resumed phase goes on as if it had not been interrupted. At
    the end the network has the weights of the best epoch (lowest validation loss), also kept as a checkpoint.

    Args:
        run: Network and folder.
        phase: What to train.
        number: The phase's number, from 1.
        data: What is trained on what.
        state: How far it had come; None to begin.
    """
    model, imbalance = data.model, run.network.recipe.imbalance
    freeze_for(run.network, phase)
    run.network.augment_for(phase)
    optimizer = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": _sgd}[phase.optimizer](
        phase.learning_rate
    )
    compile_for_training(model, optimizer, loss_of(imbalance))
    variables = [*model.variables, *optimizer.variables]
    log = run.folder / f"phase{number}_log.csv"
    if state is None:
        state = State(number)
        _begin_randomness(model, run.network.recipe.seed, number)
        write_table(log, pd.DataFrame(columns=COLUMNS))
    else:
        _restore(variables, run.folder / STATE)
        _trim_log(log, state.epoch)
    while not state.done:
        rate = _rate(phase, state)
        optimizer.learning_rate = rate
        metrics = {**_epoch(run, data, number, state.epoch), "learning_rate": rate}
        loss, better = metrics["val_loss"], metrics["val_loss"] < state.best
        if not math.isfinite(state.best) and not better:
            raise TrainingError(
                f"phase {number}: the validation loss is {loss} after the first epoch; expected a number. "
                "A lower learning rate helps, or other start weights."
            )
        said = _warning(loss, state, classes=len(run.network.recipe.classes))
        if said:
            run.listener.say(f"phase {number}, epoch {state.epoch + 1}: {said}")
        state = _after(state, phase, loss)
        row = {"epoch": state.epoch, **metrics}
        write_table(log, pd.concat([pd.read_csv(log, dtype=str), pd.DataFrame([row], columns=COLUMNS)]))
        if better:
            save_tensors(run.folder / BEST, _by_index(model.weights))
        save_tensors(run.folder / STATE, _by_index(variables), note=json.dumps(asdict(state)))
        run.listener.epoch_ends(number, row)
    _restore(model.weights, run.folder / BEST)
    save_tensors(run.checkpoint(number), tensors_of(run.network.whole.weights))


def read_state(folder: Path) -> State | None:
    """Read how far the run in a folder has come; None when it has not finished an epoch."""
    path = folder / STATE
    if not path.exists():
        return None
    with safe_open(path, framework="numpy") as file:
        return State(**json.loads(file.metadata()["note"]))


def mean_loss(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the mean cross-entropy (natural logarithm) of logits N × classes and labels N."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_probability[np.arange(len(labels)), labels].mean())


def _begin_randomness(model: keras.Model, seed: int, number: int) -> None:
    """Set the random states of dropout and augmentation by seed and phase alone, however the phase was come to."""
    weights = {id(variable) for variable in model.weights}
    states = [variable for variable in model.variables if id(variable) not in weights]
    for index, state in enumerate(states):
        drawn = np.random.default_rng([seed, number, index]).integers(2**31, dtype=np.uint32)
        state.assign(np.array([drawn, 0], np.uint32))


def _sgd(learning_rate: float) -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(learning_rate, momentum=0.9, nesterov=True)


def _rate(phase: Phase, state: State) -> float:
    """Return the learning rate of the coming epoch."""
    if phase.schedule == "cosine":
        return phase.learning_rate * (1 + math.cos(math.pi * state.epoch / phase.epochs)) / 2
    return phase.learning_rate * state.fraction


def _warning(val_loss: float, state: State, *, classes: int) -> str:
    """Say that a validation loss is no number, or that it explodes."""
    guessing = math.log(classes)
    if not math.isfinite(val_loss):
        return f"the validation loss is {val_loss}; this phase ends, with the weights of its best epoch."
    if val_loss > EXPLODED * max(state.best if math.isfinite(state.best) else 0.0, guessing):
        return f"the validation loss is {val_loss:.3g}, that of guessing {guessing:.3g}; try a lower learning rate."
    return ""


def _after(state: State, phase: Phase, val_loss: float) -> State:
    """Return the state after one more epoch; a loss that is no number is never the best, and ends the phase."""
    better = val_loss < state.best
    waited, stalled = (0, 0) if better else (state.waited + 1, state.stalled + 1)
    epoch, fraction = state.epoch + 1, state.fraction
    if phase.schedule == "plateau" and stalled >= STALLED_EPOCHS:
        fraction, stalled = fraction * LOWERED_TO, 0
    done = epoch >= phase.epochs or waited >= phase.patience or not math.isfinite(val_loss)
    best = val_loss if better else state.best
    return replace(state, epoch=epoch, best=best, waited=waited, done=done, fraction=fraction, stalled=stalled)


def _epoch(run: Run, data: PhaseData, phase: int, epoch: int) -> dict[str, float]:
    """Train one epoch and validate; the order of the scans depends on seed, phase and epoch alone."""
    began = time.perf_counter()
    recipe, model = run.network.recipe, data.model
    inputs, labels = data.train(epoch)
    weights = class_weights(recipe.imbalance, labels, len(recipe.classes))
    order = draw_order(recipe.imbalance, labels, np.random.default_rng([recipe.seed, phase, epoch]))
    chunks = _batches(order, recipe.batch_size)
    sums, seen = {"accuracy": 0.0, "loss": 0.0}, 0
    metrics: dict[str, float] = {}
    run.listener.epoch_begins(f"phase {phase}, epoch {epoch + 1}", len(chunks))
    for number, chosen in enumerate(chunks, start=1):
        wanted = labels[chosen]
        logs = model.train_on_batch(inputs[chosen], wanted, sample_weight=weights[wanted], return_dict=True)
        seen += len(chosen)
        sums = {name: total + float(logs[name]) * len(chosen) for name, total in sums.items()}
        metrics = {name: total / seen for name, total in sums.items()}
        run.listener.batch_ends(number, metrics)
    given, true = data.val
    logits = in_batches(data.forward, given, recipe.batch_size)
    return {
        **metrics,
        "val_accuracy": float((logits.argmax(axis=1) == true).mean()),
        "val_loss": mean_loss(logits, true),
        "seconds": round(time.perf_counter() - began, 2),
    }


def _batches(order: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Cut an order into batches; a last one smaller than half is left out, as BatchNorm would starve on it."""
    starts = range(0, len(order), batch_size)
    chunks = [order[start : start + batch_size] for start in starts]
    return chunks[:-1] if len(chunks) > 1 and 2 * len(chunks[-1]) < batch_size else chunks


def _by_index(variables: list[keras.Variable]) -> dict[str, NDArray[np.generic]]:
    """Name values by their index, as Keras numbers its random states anew in every process."""
    return {f"{index:05d}": keras.ops.convert_to_numpy(variable) for index, variable in enumerate(variables)}


def _restore(variables: list[keras.Variable], path: Path) -> None:
    tensors = load_tensors(path)
    for index, variable in enumerate(variables):
        variable.assign(tensors[f"{index:05d}"])


def _trim_log(log: Path, epochs: int) -> None:
    """Drop a row that was written just before the kill, without its state."""
    write_table(log, pd.read_csv(log, dtype=str).head(epochs))
