"""Every benchmark runs in its smallest form and prints its table; what it measures is of no interest here."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from core.cohorts import audit_folder, split_by_subject
from core.cohorts.tasks import TUMOUR
from core.networks.bundle import bundle_names
from core.runs.folder import PREDICTIONS_FILE

from .conftest import ROOT
from .pages.server import CHROMIUM

pytestmark = pytest.mark.slow
WAIT = 1200  # seconds
SMALLEST = {
    "evaluation": (["--rounds", "1"], "scikit-learn for 2,000 resamples, extrapolated"),
    "explain": (
        ["--rounds", "1", "--part", "engines"],
        "peak of this process",
    ),
    "heat": (["alzheimer_resnet50_small", "--slices", "1"], "| alzheimer_resnet50_small | 4 × 3 |"),
    "scans": (["--rounds", "1"], "DICOM"),
    "score": (["--slices", "60", "--rounds", "1"], "of the bare pass's throughput"),
    "sessions": (["--sessions", "2", "--minutes", "0.3"], "wrong or failed: 0"),
    "standard_space": (["--cases", "1"], "within"),
    "start": (["--rounds", "1"], "Read a scan / empty page"),
    "training": (
        ["--side", "32", "--rounds", "1", "--scale", "0.05", "--only", "1", "2", "4"],
        "4. peak memory: 50 images",
    ),
}
WITH_DATA = {"audit", "forms", "ood", "tumours"}
WITH_BROWSER = {"sessions", "start"}
NO_BENCHMARK = {"explain_peers"}  # the other libraries, which `explain` starts


def printed(name: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, f"benchmarks/{name}.py", *arguments], cwd=ROOT, env=environment,
        capture_output=True, text=True, check=False, timeout=WAIT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_every_benchmark_is_tried_here() -> None:
    assert {path.stem for path in (ROOT / "benchmarks").glob("*.py")} == {*SMALLEST, *WITH_DATA, *NO_BENCHMARK}


@pytest.mark.parametrize("name", SMALLEST)
def test_a_benchmark_prints_its_table(name: str) -> None:
    if name in WITH_BROWSER and CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    arguments, said = SMALLEST[name]
    assert said in printed(name, *arguments)


@pytest.mark.skipif(not bundle_names(), reason="no model in models/")
def test_the_benchmark_of_out_of_distribution_detection_prints_its_table(alzheimer_data: Path, tmp_path: Path) -> None:
    known = pd.read_csv(alzheimer_data / "alzheimer_people.csv")
    wide = known[known["path"].str.startswith("alzheimer_mri_176x208/")]
    wide = wide.assign(label=[Path(path).parent.name for path in wide["path"]])
    chosen = wide.drop_duplicates("person").groupby("label").head(3)["person"]
    for row in wide[wide["person"].isin(chosen)].itertuples():
        (tmp_path / "few" / row.label).mkdir(parents=True, exist_ok=True)
        shutil.copy(alzheimer_data / row.path, tmp_path / "few" / row.label / f"{row.person}-{Path(row.path).name}")
    split = split_by_subject(audit_folder(tmp_path / "few").table, seed=1)
    split.to_csv(tmp_path / "few.csv", index=False)
    out = printed("ood", str(tmp_path / "few.csv"), "--data", str(alzheimer_data), "--most", "8")
    assert "feature maps' residual (ours)" in out


@pytest.mark.skipif(not bundle_names(), reason="no model in models/")
def test_the_benchmark_of_forms_prints_its_table(alzheimer_data: Path, tmp_path: Path) -> None:
    known = pd.read_csv(alzheimer_data / "alzheimer_people.csv")
    wide = known[known["path"].str.startswith("alzheimer_mri_176x208/")]
    tested = wide[wide["person"].isin(sorted(set(wide["person"]))[:2])]
    paths = [(alzheimer_data / path).as_posix() for path in tested["path"]]
    split = pd.DataFrame({"path": paths, "label": [Path(path).parent.name for path in paths]})
    split = split.assign(subject=tested["person"].tolist(), slice="", part="test", by="subject", seed=1)
    split.to_csv(tmp_path / "split.csv", index=False)
    out = printed("forms", "--data", str(alzheimer_data), "--every", "64", "--split", str(tmp_path / "split.csv"))
    assert out.startswith("1 slices of 1 people")
    assert "| 128 × 128 | exported by a viewer |" in out


def test_the_benchmark_of_the_audit_prints_its_table(alzheimer_data: Path) -> None:
    out = printed("audit", "--data", str(alzheimer_data), "--people", "12", "--only", "strays", "missing")
    assert "| 12 people and a black picture | 384 | 12 | 12 | 1.0000 | 1 |" in out
    assert "| 12 people without 0.5 % of the slices |" in out


def test_the_benchmark_of_tumours_prints_its_table(alzheimer_data: Path, tmp_path: Path) -> None:
    """A network that is always right on 40 pictures and their copies; the copies are left out of the second row."""
    paths = sorted((alzheimer_data / "brain_tumor_mri" / "Testing" / "glioma").glob("*.jpg"))[100:140]
    rows = pd.DataFrame({"path": [str(path) for path in [*paths, *paths[:5]]], "label": "Glioma", "part": "test"})
    rows = rows.assign(**{f"logit {name}": float(name == "Glioma") for name in TUMOUR.classes})
    rows.to_csv(tmp_path / PREDICTIONS_FILE, index=False)
    out = printed("tumours", str(tmp_path), "--data", str(alzheimer_data))
    assert "| all 45 | 1.000 (" in out
    left = int(re.search(r"\| (\d+) without pixel copies \|", out).group(1))
    assert left <= 40
