"""What a verb needs is all it imports: none of them begins with a network library that it does not use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import ROOT

NETWORKS = {"keras", "tensorflow", "torch", "jax", "openvino", "mapie", "umap", "matplotlib"}
SCIENCE = {"scipy", "sklearn", "skimage", "SimpleITK", "nibabel", "pydicom", "cv2", "nilearn"}
SAYS = """
import json, runpy, sys
try:
    runpy.run_module("core", run_name="__main__", alter_sys=True)
except SystemExit as ended:
    assert not ended.code, ended.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def imported(folder: Path, *words: str) -> set[str]:
    """Return the packages that a command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", SAYS, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("command", "forbidden"),
    [
        ("--help", NETWORKS | SCIENCE | {"numpy", "pandas", "pydantic"}),
        ("train --help", NETWORKS | SCIENCE | {"numpy", "pandas"}),
        ("models", NETWORKS | SCIENCE | {"pandas"}),
        ("recipes", NETWORKS | SCIENCE),
        ("card alzheimer_resnet50_small", NETWORKS | SCIENCE),
        ("devices --help", NETWORKS | SCIENCE),
    ],
)
def test_what_only_says_something_imports_nothing_that_computes(
    command: str, forbidden: set[str], tmp_path: Path
) -> None:
    assert imported(tmp_path, *command.split()) & forbidden == set()


def test_a_prediction_imports_no_network_library_once_the_network_is_compiled(tmp_path: Path) -> None:
    scan = str(ROOT / "sample_scans" / "icbm_template_z08.png")
    imported(tmp_path, "predict", scan)
    found = imported(tmp_path, "predict", scan)
    assert "openvino" in found or os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow"
    if "openvino" in found:
        heavy = (NETWORKS - {"openvino"}) | {"sklearn", "skimage", "SimpleITK", "pandas"}
        assert found & heavy == set()


def test_a_classifier_on_pixels_is_measured_for_leakage_without_a_network_library(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, core.workflows.leakage; print(sorted({'keras', 'tensorflow'} & set(sys.modules)))",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_an_audit_and_a_split_import_no_network_library(tmp_path: Path, slice_cohort: Path) -> None:
    assert imported(tmp_path, "audit", str(slice_cohort)) & (NETWORKS | {"sklearn"}) == set()
    assert imported(tmp_path, "split", str(slice_cohort), "--out", "split.csv") & NETWORKS == set()
    assert (tmp_path / "split.csv").exists()
