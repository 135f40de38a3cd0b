"""What lies in a run folder, read and written without any network library.

RUN/run.json          recipe, split and what else a resumed run must agree with; written when the run begins
RUN/recipe.toml, split.csv, phase1_log.csv …, predictions.csv
RUN/bundle/, or metrics.json of a classic classifier that leaves no network
RUN/finished.json     written last: sums of the files above; a run is finished where they agree, and not before
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tomli_w
import xxhash

from core.cohorts.split import read_split
from core.errors import BundleError, TrainingError
from core.files import read_json, write_json, write_text
from core.networks.bundle import WEIGHTS_FILE
from core.networks.card import CARD_FILE, Card, card_from
from core.networks.recipe import Recipe
from core.networks.recipe_files import read_recipe, recipe_values

RECIPE_FILE, RUN_FILE, SPLIT_FILE = "recipe.toml", "run.json", "split.csv"
BUNDLE_FOLDER = "bundle"
METRICS_FILE = "metrics.json"
PREDICTIONS_FILE = "predictions.csv"
FINISHED_FILE = "finished.json"
LASTING = (PREDICTIONS_FILE, RECIPE_FILE, SPLIT_FILE, f"{BUNDLE_FOLDER}/{WEIGHTS_FILE}")  # never changed once written


def mark_finished(run: Path) -> None:
    """Note that a run has come to its end; call it when everything else is on disk."""
    write_json(run / FINISHED_FILE, _sums(run))


def is_finished(run: Path) -> bool:
    """Tell whether a run came to its end and its files are still whole; its card may have been calibrated anew."""
    marked = read_json(run / FINISHED_FILE)
    return isinstance(marked, dict) and bool(marked) and marked == _sums(run) and card_of_run(run) is not None


def card_of_run(run: Path) -> Card | None:
    """Return the card of a run that has one; None for others."""
    for path in (run / BUNDLE_FOLDER / CARD_FILE, run / METRICS_FILE):
        values = read_json(path)
        if values is not None:
            try:
                return card_from(values, run.name)
            except BundleError:
                return None
    return None


def _sums(run: Path) -> dict[str, str]:
    found = {name: run / name for name in LASTING if (run / name).is_file()}
    return {name: xxhash.xxh3_64_hexdigest(path.read_bytes()) for name, path in found.items()}


def read_predictions(run: Path) -> list[pd.DataFrame]:
    """Return what a run's network said of the scans: one table, or one a fold of the first repeat of a
    cross-validation.

    Raises:
        TrainingError: The folder holds no finished run.
    """
    folders = [run] if (run / RUN_FILE).exists() else sorted(run.glob("repeat1_fold*/"))
    found = [folder for folder in folders if is_finished(folder)]
    if not found:
        raise TrainingError(f"{run} holds no finished run.")
    return [predictions_table(folder) for folder in found]


def predictions_table(run: Path) -> pd.DataFrame:
    """Read the predictions of a finished run: path, label, subject, part, slice, and a logit a class."""
    return pd.read_csv(run / PREDICTIONS_FILE, dtype={"subject": str, "path": str}, keep_default_na=False)


def balanced_counts(run: Path) -> dict[str, tuple[int, int]]:
    """Return how many training scans of each class a run has, and how many embeddings after oversampling.

    Returns:
        Both by class; nothing where no phase oversamples, or its embeddings are no longer there.

    Raises:
        TrainingError: The folder holds no run.
    """
    made = sorted(run.glob("balanced*_view0.npz"))
    recipe = recipe_of_run(run)
    if not made or not (run / SPLIT_FILE).is_file():
        return {}
    with np.load(made[0]) as stored:
        after = np.bincount(stored["labels"], minlength=len(recipe.classes))
    split = read_split(run / SPLIT_FILE)
    labels = split[split["part"] == "train"]["label"].map(recipe.as_task().class_of)
    return {name: (int((labels == name).sum()), int(count)) for name, count in zip(recipe.classes, after, strict=True)}


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


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe as TOML, as `read_recipe` reads it."""
    write_text(path, recipe_text(recipe))


def recipe_text(recipe: Recipe) -> str:
    """Return a recipe as TOML, with every setting that has a value."""
    return str(tomli_w.dumps(_without_none(recipe_values(recipe))))


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
