"""From a recipe and a split to a bundle: the whole of `stagelens train`."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from core.cohorts.split import read_split, split_hash
from core.errors import StageLensError, TrainingError
from core.networks.backend import compile_forward, make_repeatable
from core.networks.network import Network, build_network
from core.networks.parts import Part, fingerprint, load_part
from core.networks.recipe import Recipe, recipe_values
from core.networks.weights import set_start_weights
from core.training.phases import BEST, STATE, Run, Step, read_state, run_phase

RUN_FILE = "run.json"
SPLIT_FILE = "split.csv"


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished run.

    Attributes:
        network: The network with the weights of the last phase's best epoch.
        split: The split table it was trained on.
        test: The test part; None where the split has none.
        facts: What a card needs to know: start, fingerprint of the data, hash of the split.
    """

    network: Network
    split: pd.DataFrame
    test: Part | None
    facts: dict[str, Any]


def train(
    recipe: Recipe,
    split_table: str | Path,
    out: str | Path,
    *,
    weights: Path | None = None,
    resume: bool = False,
    step: Step = lambda *_: None,
    say: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Train a recipe's phases on a split.

    Args:
        recipe: What to train.
        split_table: The table of who is in which part.
        out: Folder of the run; new, unless resumed.
        weights: Start weights on disk.
        resume: Go on with the run in `out` after its last finished epoch.
        step: Called after every batch.
        say: Called with a sentence at each turn.

    Raises:
        TrainingError: The folder holds another run, or the data do not fit the recipe.
        StageLensError: As raised by what it calls.
    """
    folder = Path(out)
    split = read_split(split_table)
    make_repeatable(recipe.seed)
    network = build_network(recipe, precision=recipe.precision)
    facts = _open_run(folder, recipe, split, resume=resume)
    try:
        facts["start"] = facts.get("start") or set_start_weights(network, weights)
        say("reading the scans")
        parts = {name: load_part(split, name, network) for name in sorted(set(split["part"]))}
        if not {"train", "val"} <= parts.keys():
            raise TrainingError("the split needs a train and a val part.")
        _check_classes(parts["train"], recipe)
    except StageLensError:
        if not resume:
            shutil.rmtree(folder)
        raise
    facts["data_fingerprint"] = fingerprint(list(parts.values()))
    _write_json(folder / RUN_FILE, facts)
    say(", ".join(f"{len(part.labels)} {name}" for name, part in parts.items()) + " scans")
    weights_of_classes = _class_weights(recipe, parts["train"])
    run = Run(folder, network, compile_forward(network), parts["train"], parts["val"], weights_of_classes, step)
    state = read_state(folder)
    for number, phase in enumerate(recipe.phases, start=1):
        if state is not None and state.phase > number:
            continue
        resumed = state if state is not None and state.phase == number else None
        say(f"phase {number} of {len(recipe.phases)}: {phase.trains}, learning rate {phase.learning_rate:g}"
            + (f", going on after epoch {resumed.epoch}" if resumed else ""))  # fmt: skip
        run_phase(run, phase, number, resumed)
    return Trained(network, split, parts.get("test"), facts)


def _open_run(folder: Path, recipe: Recipe, split: pd.DataFrame, *, resume: bool) -> dict[str, Any]:
    """Begin a run folder, or check that the one to resume is of this recipe and split."""
    wanted = {"recipe": recipe_values(recipe), "split_hash": split_hash(split)}
    if not resume:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise TrainingError(f"{folder} is not empty; give a new folder, or --resume to go on with the run in it.")
        folder.mkdir(parents=True, exist_ok=True)
        split.to_csv(folder / SPLIT_FILE, index=False)
        _write_json(folder / RUN_FILE, wanted)
        return dict(wanted)
    try:
        facts: dict[str, Any] = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{folder} holds no run to resume.") from error
    for key, value in wanted.items():
        if facts.get(key) != value:
            raise TrainingError(f"the run in {folder} has another {key.replace('_hash', '')}; it cannot be resumed.")
    if not (folder / STATE).exists() or not (folder / BEST).exists():
        facts.pop("start", None)  # killed before its first epoch: it begins again
    return facts


def _check_classes(part: Part, recipe: Recipe) -> None:
    """Refuse to train on fewer than two classes, which no metric would ever complain about."""
    present = sorted(set(part.labels.tolist()))
    if len(present) < 2:
        raise TrainingError(
            f"the training part holds one class only, {recipe.classes[present[0]]!r}; give at least two."
        )


def _class_weights(recipe: Recipe, part: Part) -> NDArray[np.float32]:
    weights = np.ones(len(recipe.classes), np.float32)
    if recipe.class_weights:
        present = np.unique(part.labels)
        weights[present] = compute_class_weight("balanced", classes=present, y=part.labels)
    return weights


def _write_json(path: Path, values: dict[str, Any]) -> None:
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_text(json.dumps(values, indent=1), encoding="utf-8")
    unfinished.replace(path)
