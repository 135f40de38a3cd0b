"""What lies in a run folder, read and written without any network library."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tomli_w
from numpy.typing import NDArray

from core.errors import TrainingError
from core.files import write_text
from core.networks.recipe import Recipe, read_recipe, recipe_values

RECIPE_FILE = "recipe.toml"
BUNDLE_FOLDER = "bundle"
METRICS_FILE = "metrics.json"
PREDICTIONS_FILE = "predictions.csv"
WORKSPACE_VARIABLE = "STAGELENS_WORKSPACE"


def workspace(*parts: str) -> Path:
    """Return a folder of what the pages make, and make it: $STAGELENS_WORKSPACE, or .stagelens at home."""
    chosen = os.environ.get(WORKSPACE_VARIABLE)
    folder = (Path(chosen) if chosen else Path.home() / ".stagelens").joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def card_of_run(folder: Path) -> dict[str, Any] | None:
    """Return the figures of a finished run; None for an unfinished one."""
    for path in (folder / BUNDLE_FOLDER / "card.json", folder / METRICS_FILE):
        try:
            card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return card
    return None


def read_predictions(run: Path) -> list[pd.DataFrame]:
    """Return what a run's network said of the scans that did not train it: one table, or one a fold of the first
    repeat of a cross-validation.

    Raises:
        TrainingError: The folder holds no finished run.
    """
    folders = [run] if (run / PREDICTIONS_FILE).exists() else sorted(run.glob("repeat1_fold*"))
    found = [folder / PREDICTIONS_FILE for folder in folders if (folder / PREDICTIONS_FILE).exists()]
    if not found:
        raise TrainingError(f"{run} holds no finished run.")
    return [pd.read_csv(path, dtype={"subject": str, "path": str}, keep_default_na=False) for path in found]


def recipe_of_run(run: Path) -> Recipe:
    """Return the recipe of a run, or of a cross-validation's first fold.

    Raises:
        TrainingError: The folder holds no run.
        RecipeError: Its recipe is damaged.
    """
    found = [path for path in (run / RECIPE_FILE, *sorted(run.glob(f"repeat1_fold*/{RECIPE_FILE}"))) if path.exists()]
    if not found:
        raise TrainingError(f"{run} holds no run; a bundle is evaluated on a split, given with --split.")
    return read_recipe(found[0])


def logits_in(predictions: pd.DataFrame, recipe: Recipe) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return labels, N places in the recipe's classes, and logits, N × classes, of a table of predictions."""
    index_of = {name: index for index, name in enumerate(recipe.classes)}
    labels = predictions["label"].map(index_of).to_numpy(np.int64)
    return labels, predictions[[f"logit {name}" for name in recipe.classes]].to_numpy(np.float32)


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe as TOML, as `read_recipe` reads it."""
    write_text(path, tomli_w.dumps(_without_none(recipe_values(recipe))))


def read_logs(folder: Path) -> pd.DataFrame:
    """Read the logs of all phases of a run, with the columns `phase` and `at` (epochs since the start of the run)."""
    logs = [
        pd.read_csv(path).assign(phase=int(path.stem.removeprefix("phase").removesuffix("_log")))
        for path in sorted(folder.glob("phase*_log.csv"))
    ]
    logs = [log for log in logs if len(log)]
    if not logs:
        return pd.DataFrame(columns=["phase", "at", "epoch"])
    together = pd.concat(logs, ignore_index=True)
    return together.assign(at=range(1, len(together) + 1))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value
