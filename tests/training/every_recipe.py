"""Train every shipped recipe for a step or two, in the backend that KERAS_BACKEND names; one line of JSON per recipe.

    KERAS_BACKEND=jax python tests/training/every_recipe.py COHORT OUT [RECIPE ...]

TensorFlow runs eagerly: compiling a network of 200 layers takes longer than its step. JAX would compile every operation
of it alone, which takes longer still.
"""

import json
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
import numpy as np
import pandas as pd

from core.networks.architectures.backbones import BACKBONES
from core.networks.recipe import Recipe
from core.networks.recipe_files import read_recipe, recipe_names
from core.training.train import TrainingConfig, train


def run_eagerly() -> None:
    """Keep TensorFlow from compiling; PyTorch does not anyway."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)


def small(recipe: Recipe) -> Recipe:
    """Return a recipe with smaller sizes and lengths but otherwise unchanged."""
    side = BACKBONES[recipe.backbone].smallest if recipe.backbone in BACKBONES else 32
    phases = tuple(
        replace(
            phase, epochs=1, optimizer="sgd", oversampling=phase.oversampling and replace(phase.oversampling, target=6)
        )
        for phase in recipe.phases
    )
    depth = recipe.depth and 32
    classic = recipe.classic and replace(recipe.classic, components=None)
    if recipe.morphometry is not None:
        return recipe
    size = {"height": side, "width": side, "depth": depth}
    parts = {"phases": phases, "classic": classic, "start": "scratch"}
    return replace(recipe, **size, **parts, batch_size=4, precision="float32")


def main(cohort: Path, out: Path, names: list[str]) -> None:
    """Train them one after the other."""
    run_eagerly()
    for name in names:
        began = time.perf_counter()
        recipe = small(read_recipe(name))
        split = cohort / f"{recipe.task}_{'volumes' if recipe.depth else 'slices'}.csv"
        trained = train(TrainingConfig(recipe, split, out / name))
        losses = [pd.read_csv(log)["val_loss"].tolist() for log in sorted((out / name).glob("phase*_log.csv"))]
        finite = all(np.isfinite(values).all() for values in losses)
        logits = {part: bool(np.isfinite(values).all()) for part, values in trained.logits.items()}
        line = {"recipe": name, "phases": len(losses), "finite": finite, "logits": logits, "finished": trained.finished}
        print(json.dumps({**line, "seconds": round(time.perf_counter() - began, 1)}), flush=True)
        shutil.rmtree(out / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] or recipe_names())
