"""The same recipes and bundles in TensorFlow, PyTorch and JAX; the other two are optional."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.networks.recipe import Augmentation, Phase, recipe_names
from core.runs.backends import BACKENDS
from core.training.train import TrainingConfig, train
from core.workflows.train import Request, train_bundle

from ..conftest import ROOT, tiny_recipe
from .cohorts import write_cohort

SCRIPT = Path(__file__).with_name("every_recipe.py")
SYSTEMS = [name for name in recipe_names() if name[:3] in {f"s{n}_" for n in range(1, 6)} and "start" not in name]
WAIT = 2400  # seconds; JAX compiles every operation of 200 layers
HERE = [name for name, package in BACKENDS.items() if importlib.util.find_spec(package) is not None]
OTHERS = ("torch", "jax")

PREDICT = """
import json, sys
import numpy as np
from core.explain import explain
from core.networks.bundle import open_bundle
from core.networks.inference.predictor import load_predictor
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
from core.networks.recipe import read_recipe
from core.training.train import Order, train
from pathlib import Path
trained = train(Order(read_recipe(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))
print(json.dumps({"devices": trained.facts["shared_among"]}))
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
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder)
    return folder


@pytest.fixture(scope="module")
def smoke(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[subprocess.Popen[str]]]:
    """Train every published system for a step or two, in all backends at once; JAX, the slowest, in two processes."""
    processes: dict[str, list[subprocess.Popen[str]]] = {}
    dense = [name for name in SYSTEMS if "densenet" in name]  # these share what JAX compiles
    for name in HERE:
        for systems in (dense, [one for one in SYSTEMS if one not in dense]) if name == "jax" else (SYSTEMS,):
            out = tmp_path_factory.mktemp(name)
            quick = {"KERAS_BACKEND": name, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
            process = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(cohort), str(out), *systems], cwd=ROOT, text=True,
                env={**os.environ, **quick}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            processes.setdefault(name, []).append(process)
    return processes


def test_the_five_systems_are_all_there() -> None:
    for system, count in (("s1", 2), ("s2", 1), ("s3", 3), ("s4", 7), ("s5", 2)):
        assert len([name for name in SYSTEMS if name.startswith(f"{system}_")]) == count, system


@pytest.mark.parametrize("backend", OTHERS)
def test_a_bundle_gives_the_same_probabilities_and_heatmaps_in_another_backend(
    backend: str, cohort: Path, tmp_path: Path
) -> None:
    needs(backend)
    recipe = tiny_recipe(backbone="resnet18", phases=(Phase("all", 1e-3, 1, 1),))
    bundle = train_bundle(Request(recipe, cohort / "alzheimer_slices.csv", tmp_path / "run"))
    scans = [str(path) for path in sorted((cohort / "alzheimer_slices").glob("*_test_*.png"))]
    results = {}
    for name in ("tensorflow", backend):
        done = run(name, "-c", PREDICT, str(bundle.folder), str(tmp_path / f"{name}.npz"), *scans)
        assert done.returncode == 0, done.stderr[-2000:]
        results[name] = np.load(tmp_path / f"{name}.npz")
    ours, theirs = results["tensorflow"], results[backend]
    np.testing.assert_allclose(theirs["probabilities"], ours["probabilities"], atol=1e-4)
    assert ours["heatmaps"].max() > 0
    np.testing.assert_allclose(theirs["heatmaps"], ours["heatmaps"], atol=1e-3 * ours["heatmaps"].max())


@pytest.mark.parametrize("backend", OTHERS)
def test_a_run_resumes_in_another_backend_too(backend: str, cohort: Path, tmp_path: Path) -> None:
    """One epoch of two, then --resume: the log goes on, and the bundle is written."""
    needs(backend)
    from core.runs.folder import write_recipe

    recipe = tiny_recipe(
        backbone="resnet18", height=32, width=32, phases=(Phase("all", 1e-3, 2, 2),),
        augmentation=Augmentation(flip_horizontal=True),
    )  # fmt: skip
    write_recipe(tmp_path / "recipe.toml", recipe)
    command = ["-m", "core", "train", str(tmp_path / "recipe.toml"), "--split", str(cohort / "alzheimer_slices.csv"),
               "--out", str(tmp_path / "run"), "--json"]  # fmt: skip
    code = f"""
import runpy, sys
import core.training.train as train
from core.training.listeners import Silent
class StopsAfterAnEpoch(Silent):
    def epoch_ends(self, phase, row):
        raise KeyboardInterrupt
original = train.run_phase
def once(run, *rest):
    from dataclasses import replace
    original(replace(run, listener=StopsAfterAnEpoch()), *rest)
train.run_phase = once
sys.argv = {["stagelens", *command[2:]]!r}
runpy.run_module("core", run_name="__main__")
"""
    stopped = run(backend, "-c", code)
    assert stopped.returncode == 130, stopped.stderr[-2000:]
    assert not (tmp_path / "run" / "bundle").exists()
    resumed = run(backend, *command, "--resume")
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert "going on after epoch 1" in resumed.stderr
    assert json.loads(resumed.stdout)["card"]["versions"]["backend"] == backend


def test_jax_shares_a_batch_among_devices_and_learns_the_same(cohort: Path, tmp_path: Path) -> None:
    """Two processors stand for two GPUs; Keras' own distribution does the sharing."""
    needs("jax")
    from core.runs.folder import write_recipe

    recipe = tiny_recipe(backbone="resnet18", height=32, width=32, batch_size=4, phases=(Phase("all", 1e-4, 1, 1),))
    write_recipe(tmp_path / "recipe.toml", recipe)
    losses = []
    for count in (1, 2):
        out = tmp_path / f"run{count}"
        flags = f"--xla_force_host_platform_device_count={count}"
        done = run("jax", "-c", SHARED, str(tmp_path / "recipe.toml"), str(cohort / "alzheimer_slices.csv"), str(out),
                   XLA_FLAGS=flags)  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        assert json.loads(done.stdout.splitlines()[-1])["devices"] == count
        losses.append(float((out / "phase1_log.csv").read_text().splitlines()[1].split(",")[2]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_bfloat16_trains_and_predicts_in_float32(cohort: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(
        backbone="resnet18", height=32, width=32, precision="mixed_bfloat16", phases=(Phase("all", 1e-3, 1, 1),)
    )
    trained = train(TrainingConfig(recipe, cohort / "alzheimer_slices.csv", tmp_path / "run"))
    assert trained.network is not None
    assert trained.network.features.compute_dtype == "bfloat16" or any(
        layer.compute_dtype == "bfloat16" for layer in trained.network.features.layers
    )
    assert all(variable.dtype == "float32" for variable in trained.network.whole.trainable_variables)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_system_trains_a_step_or_two(backend: str, smoke: dict[str, list[subprocess.Popen[str]]]) -> None:
    needs(backend)
    lines = []
    for process in smoke[backend]:
        out, complaints = process.communicate(timeout=WAIT)
        assert process.returncode == 0, complaints[-2000:]
        lines += [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert sorted(line["recipe"] for line in lines) == sorted(SYSTEMS)
    for line in lines:
        assert line["finished"], line
        assert line["finite"], line
