"""Every published system trains in every backend: a handful of them in `make test`, the others in `make test-slow`.

JAX compiles every phase of a network of 200 layers for half a minute, so there it is one system of each way to train
(head and layers, embeddings, all at once, volumes); TensorFlow and PyTorch train all of them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.networks.recipe_files import recipe_names
from core.runs.backends import BACKENDS

from ..conftest import ROOT
from .test_backends import QUICK, WAIT, compiled_once, needs

SCRIPT = Path(__file__).with_name("every_recipe.py")
SYSTEMS = [name for name in recipe_names() if name[:3] in {f"s{n}_" for n in range(1, 6)} and "start" not in name]
HANDFUL = {
    "tensorflow": ["s1_mobilenetv2", "s4_resnet18", "s4_resnet3d_small"],  # head and layers, all at once, volumes
    "torch": ["s1_mobilenetv2", "s4_resnet18"],
    "jax": ["s4_simple3dcnn"],  # it compiles for long
}
COMPILED = ["s1_resnet50", "s3_inceptionv3", "s4_efficientnetb0", "s4_resnet3d_small"]  # for JAX, beside its handful
DENSE = [name for name in SYSTEMS if "densenet" in name]  # half of the work
NOT_COMPILED = ("jax", "DenseNets")
PARTS = {"DenseNets": DENSE, "others": [name for name in SYSTEMS if name not in DENSE]}


def trained(backend: str, cohort: Path, out: Path, systems: list[str]) -> list[dict[str, Any]]:
    """Train systems for a step or two in a separate process; return its line about each."""
    needs(backend)
    environment = {**os.environ, "KERAS_BACKEND": backend, **QUICK, **compiled_once(out.parent)}
    command = [sys.executable, str(SCRIPT), str(cohort), str(out), *systems]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=WAIT)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_the_five_systems_are_all_there() -> None:
    for system, count in (("s1", 2), ("s2", 1), ("s3", 3), ("s4", 7), ("s5", 2)):
        assert len([name for name in SYSTEMS if name.startswith(f"{system}_")]) == count, system
    assert HANDFUL.keys() == BACKENDS.keys()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_handful_of_systems_trains_a_step_or_two(backend: str, cohort: Path, tmp_path: Path) -> None:
    lines = trained(backend, cohort, tmp_path, HANDFUL[backend])
    assert [line["recipe"] for line in lines] == HANDFUL[backend]
    for line in lines:
        assert line["finished"], line
        assert line["finite"], line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "part"), [(backend, part) for backend in BACKENDS for part in PARTS if (backend, part) != NOT_COMPILED]
)
def test_every_other_system_trains_a_step_or_two(backend: str, part: str, cohort: Path, tmp_path: Path) -> None:
    systems = COMPILED if backend == "jax" else [name for name in PARTS[part] if name not in HANDFUL[backend]]
    lines = trained(backend, cohort, tmp_path, systems)
    assert [line["recipe"] for line in lines] == systems
    for line in lines:
        assert line["finished"], line
        assert line["finite"], line
