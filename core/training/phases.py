"""The training loop: phases of epochs, early stopping, a log per phase, and a state that survives a kill."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import safe_open

from core.networks.backend import Forward
from core.networks.network import Network
from core.networks.parts import Part
from core.networks.recipe import Phase
from core.networks.weights import load_tensors, save_tensors

COLUMNS = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate", "seconds")
STATE = "state.safetensors"
BEST = "best.safetensors"

Step = Callable[[str, int, int, dict[str, float]], None]


@dataclass(frozen=True)
class State:
    """How far a run has come.

    Attributes:
        phase: The phase in progress, from 1.
        epoch: Epochs finished in it.
        best: Smallest validation loss in it so far.
        waited: Epochs since then.
        done: Whether the phase has ended.
    """

    phase: int
    epoch: int = 0
    best: float = float("inf")
    waited: int = 0
    done: bool = False


@dataclass(frozen=True, eq=False)
class Run:
    """What a phase needs.

    Attributes:
        folder: Where logs, states and checkpoints go.
        network: The network, changed in place.
        forward: Its compiled forward pass.
        train: The training part.
        val: The validation part.
        weights: float32, one per class: how much a scan of it counts.
        step: Called after every batch with what is done: phase, batch, number of batches, running figures.
    """

    folder: Path
    network: Network
    forward: Forward
    train: Part
    val: Part
    weights: NDArray[np.float32]
    step: Step


def run_phase(run: Run, phase: Phase, number: int, state: State | None) -> None:
    """Train one phase to its end, from its start or from the state of a killed run.

    After every epoch the log and the state are on disk; a resumed phase goes on as if it had not been interrupted. At
    the end the network has the weights of the best epoch (lowest validation loss), also kept as a checkpoint.

    Args:
        run: Network, data and folder.
        phase: What to train.
        number: The phase's number, from 1.
        state: How far it had come; None to begin.
    """
    optimizer = _compile(run.network, phase)
    variables = [*run.network.whole.variables, *optimizer.variables]
    log = run.folder / f"phase{number}_log.csv"
    if state is None:
        state = State(number)
        pd.DataFrame(columns=COLUMNS).to_csv(log, index=False)
    else:
        _restore(variables, run.folder / STATE)
        _trim_log(log, state.epoch)
    while not state.done:
        figures = _epoch(run, number, state.epoch)
        figures["learning_rate"] = phase.learning_rate
        better = figures["val_loss"] < state.best
        state = replace(
            state,
            epoch=state.epoch + 1,
            best=min(figures["val_loss"], state.best),
            waited=0 if better else state.waited + 1,
        )
        state = replace(state, done=state.epoch >= phase.epochs or state.waited >= phase.patience)
        row = pd.DataFrame([{"epoch": state.epoch, **figures}], columns=COLUMNS)
        row.to_csv(log, mode="a", header=False, index=False)
        if better:
            save_tensors(run.folder / BEST, _by_place(run.network.whole.weights))
        save_tensors(run.folder / STATE, _by_place(variables), note=json.dumps(asdict(state)))
    _restore(run.network.whole.weights, run.folder / BEST)
    save_tensors(run.folder / f"phase{number}.safetensors", _by_place(run.network.whole.weights))


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


def _compile(network: Network, phase: Phase) -> keras.optimizers.Optimizer:
    network.features.trainable = phase.trains == "all"
    optimizer = keras.optimizers.Adam(phase.learning_rate)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.whole.compile(optimizer, loss, metrics=["accuracy"])
    optimizer.build(network.whole.trainable_variables)
    return optimizer


def _epoch(run: Run, phase: int, epoch: int) -> dict[str, float]:
    """Train one epoch and validate; the order of the scans depends on seed, phase and epoch alone."""
    began = time.perf_counter()
    recipe, train = run.network.recipe, run.train
    order = np.random.default_rng([recipe.seed, phase, epoch]).permutation(len(train.labels))
    chunks = _batches(order, recipe.batch_size)
    sums = {"accuracy": 0.0, "loss": 0.0}
    seen = 0
    figures: dict[str, float] = {}
    for number, chosen in enumerate(chunks, start=1):
        labels = train.labels[chosen]
        logs = run.network.whole.train_on_batch(
            train.scans[chosen], labels, sample_weight=run.weights[labels], return_dict=True
        )
        seen += len(chosen)
        sums = {name: total + float(logs[name]) * len(chosen) for name, total in sums.items()}
        figures = {name: total / seen for name, total in sums.items()}
        run.step(f"phase {phase}, epoch {epoch + 1}", number, len(chunks), figures)
    logits = forward_in_batches(run.forward, run.val.scans, recipe.batch_size)
    return {
        **figures,
        "val_accuracy": float((logits.argmax(axis=1) == run.val.labels).mean()),
        "val_loss": mean_loss(logits, run.val.labels),
        "seconds": round(time.perf_counter() - began, 2),
    }


def forward_in_batches(forward: Forward, scans: NDArray[np.float32], batch_size: int) -> NDArray[np.float32]:
    """Return the logits, N × classes, of scans N × H × W × 1, a batch at a time."""
    starts = range(0, len(scans), batch_size)
    return np.concatenate([forward(scans[start : start + batch_size]) for start in starts])


def _batches(order: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Cut an order into batches; a last one smaller than half is left out, as BatchNorm would starve on it."""
    starts = range(0, len(order), batch_size)
    chunks = [order[start : start + batch_size] for start in starts]
    return chunks[:-1] if len(chunks) > 1 and 2 * len(chunks[-1]) < batch_size else chunks


def _by_place(variables: list[keras.Variable]) -> dict[str, NDArray[np.generic]]:
    """Name values by their place, as Keras numbers its random states anew in every process."""
    return {f"{place:05d}": keras.ops.convert_to_numpy(variable) for place, variable in enumerate(variables)}


def _restore(variables: list[keras.Variable], path: Path) -> None:
    tensors = load_tensors(path)
    for place, variable in enumerate(variables):
        variable.assign(tensors[f"{place:05d}"])


def _trim_log(log: Path, epochs: int) -> None:
    """Drop a row that was written just before the kill, without its state."""
    pd.read_csv(log).head(epochs).to_csv(log, index=False)
