"""The same recipes and bundles in TensorFlow, PyTorch and JAX; the other two are optional."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.networks.bundle import Bundle
from core.networks.recipe import Augmentation, Phase
from core.runs.backends import BACKENDS
from core.training.train import TrainingConfig, train
from core.workflows.train import Request, train_bundle

from ..conftest import ROOT, tiny_recipe

WAIT = 2400  # seconds; JAX compiles every operation of 200 layers
HERE = [name for name, package in BACKENDS.items() if importlib.util.find_spec(package) is not None]
NO_FUSION = "--xla_cpu_use_fusion_emitters=false"
QUICK = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "XLA_FLAGS": NO_FUSION}  # it compiles for longer than it then trains


def compiled_once(folder: Path) -> dict[str, str]:
    """Return settings by which JAX keeps what it compiled; a network of the same shape is not compiled again."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


PREDICT = """
import json, sys
import numpy as np
import tests.tiny
from core.explain import explain
from core.networks.bundle import open_bundle
from core.networks.inference.loading import load_predictor
from core.scans import read_scan
predictor = load_predictor(open_bundle(sys.argv[1]))
scans = [read_scan({"scan.png": open(path, "rb").read()}) for path in sys.argv[3:]]
explanations = explain(predictor, scans, ["Mild Demented"] * len(scans))
np.savez(sys.argv[2], heatmaps=np.stack([one.heatmap for one in explanations]),
         probabilities=np.array([list(one.prediction.probabilities.values()) for one in explanations]))
"""
SHARED = """
import json, sys
import numpy as np
import tests.tiny
from core.networks.recipe_files import read_recipe
from core.training.train import TrainingConfig, train
from pathlib import Path
trained = train(TrainingConfig(read_recipe(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))
print(json.dumps({"devices": trained.facts["spread_over"]}))
"""
STOPPED = """
import core.training.train as training
from core.training.listeners import Silent
from dataclasses import replace
class StopsAfterAnEpoch(Silent):
    def epoch_ends(self, phase, row):
        raise KeyboardInterrupt
through = training.run_phase
def once(run, *rest, **more):
    through(replace(run, listener=StopsAfterAnEpoch()), *rest, **more)
training.run_phase = once
"""
COMMAND = """
import runpy, sys
import tests.tiny
sys.argv[0] = "stagelens"
runpy.run_module("core", run_name="__main__")
"""


def needs(backend: str) -> None:
    if backend not in HERE:
        pytest.skip(f"{backend} is not installed; see requirements-backends.txt")


def run(backend: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", **more}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT,
    )


@pytest.fixture(scope="module")
def scans(cohort: Path) -> list[str]:
    return [str(path) for path in sorted((cohort / "alzheimer_slices").glob("*_test_*.png"))]


@pytest.fixture(scope="module")
def bundle(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    recipe = tiny_recipe(phases=(Phase("all", 1e-3, 1, 1),))
    request = Request(recipe, cohort / "alzheimer_slices.csv", tmp_path_factory.mktemp("runs") / "run")
    return train_bundle(request)


@pytest.fixture(scope="module")
def ours(bundle: Bundle, scans: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return predicted("tensorflow", bundle, scans, tmp_path_factory.mktemp("ours"))


def predicted(backend: str, bundle: Bundle, scans: list[str], folder: Path) -> dict[str, np.ndarray]:
    """Explain with a backend, in a separate process; return heatmaps and probabilities."""
    done = run(backend, "-c", PREDICT, str(bundle.folder), str(folder / "found.npz"), *scans)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(np.load(folder / "found.npz"))


@pytest.mark.parametrize("backend", ["jax", pytest.param("torch", marks=pytest.mark.slow)])
def test_a_bundle_gives_the_same_probabilities_and_heatmaps_in_another_backend(
    backend: str, bundle: Bundle, scans: list[str], ours: dict[str, np.ndarray], tmp_path: Path
) -> None:
    needs(backend)
    theirs = predicted(backend, bundle, scans, tmp_path)
    np.testing.assert_allclose(theirs["probabilities"], ours["probabilities"], atol=1e-4)
    assert ours["heatmaps"].max() > 0
    np.testing.assert_allclose(theirs["heatmaps"], ours["heatmaps"], atol=1e-3 * ours["heatmaps"].max())


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_run_resumes_in_another_backend_too(backend: str, cohort: Path, tmp_path: Path) -> None:
    """One epoch of two, then --resume: the log continues, and the bundle is written."""
    needs(backend)
    from core.runs.folder import write_recipe

    phases, augmentation = (Phase("all", 1e-3, 2, 2),), Augmentation(flip_horizontal=True)
    recipe = tiny_recipe(height=32, width=32, phases=phases, augmentation=augmentation)
    write_recipe(tmp_path / "recipe.toml", recipe)
    split, out = str(cohort / "alzheimer_slices.csv"), str(tmp_path / "run")
    command = ["train", str(tmp_path / "recipe.toml"), "--split", split, "--out", out, "--json"]
    stopped = run(backend, "-c", STOPPED + COMMAND, *command, **QUICK)
    assert stopped.returncode == 130, stopped.stderr[-2000:]
    assert not (tmp_path / "run" / "bundle").exists()
    resumed = run(backend, "-c", COMMAND, *command, "--resume", **QUICK)
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert "going on after epoch 1" in resumed.stderr
    assert json.loads(resumed.stdout)["card"]["versions"]["backend"] == backend


@pytest.mark.slow
def test_jax_spreads_a_batch_over_devices_and_learns_the_same(cohort: Path, tmp_path: Path) -> None:
    """Two processors stand for two GPUs; Keras' own distribution does the sharing."""
    needs("jax")
    from core.runs.folder import write_recipe

    recipe = tiny_recipe(height=32, width=32, batch_size=4, phases=(Phase("all", 1e-4, 1, 1),))
    write_recipe(tmp_path / "recipe.toml", recipe)
    losses = []
    for count in (1, 2):
        out = tmp_path / f"run{count}"
        flags = f"{NO_FUSION} --xla_force_host_platform_device_count={count}"
        arguments = [str(tmp_path / "recipe.toml"), str(cohort / "alzheimer_slices.csv"), str(out)]
        done = run("jax", "-c", SHARED, *arguments, **{**QUICK, "XLA_FLAGS": flags})
        assert done.returncode == 0, done.stderr[-2000:]
        assert json.loads(done.stdout.splitlines()[-1])["devices"] == count
        losses.append(float((out / "phase1_log.csv").read_text().splitlines()[1].split(",")[2]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_bfloat16_trains_and_predicts_in_float32(cohort: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(height=32, width=32, precision="mixed_bfloat16", phases=(Phase("all", 1e-3, 1, 1),))
    trained = train(TrainingConfig(recipe, cohort / "alzheimer_slices.csv", tmp_path / "run"))
    assert trained.network is not None
    assert trained.network.features.compute_dtype == "bfloat16" or any(
        layer.compute_dtype == "bfloat16" for layer in trained.network.features.layers
    )
    assert all(variable.dtype == "float32" for variable in trained.network.whole.trainable_variables)
