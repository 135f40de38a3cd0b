"""Trainings as processes: status, stop, resume, turns, promotion. A run folder is all there is."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from core.errors import TrainingError
from core.networks.bundle import open_bundle
from core.networks.recipe import Augmentation, Phase, Recipe
from core.runs import jobs
from core.runs import status as run_status
from core.runs.folder import card_of_run, is_finished, read_logs, write_recipe
from core.runs.status import Status, list_runs, read_status

from ..conftest import ROOT, tiny_recipe
from ..training.cohorts import write_cohort

WAIT = 240  # seconds


def small(epochs: int) -> Recipe:
    return tiny_recipe(
        backbone="resnet18", height=32, width=32, batch_size=4, phases=(Phase("all", 1e-4, epochs, epochs),),
        augmentation=Augmentation(flip_horizontal=True),
    )  # fmt: skip


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder)
    return folder / "alzheimer_slices.csv"


def begin(folder: Path, split: Path, epochs: int) -> None:
    folder.mkdir(parents=True)
    write_recipe(folder.parent / f"{folder.name}.toml", small(epochs))
    jobs.start(
        folder, ["train", str(folder.parent / f"{folder.name}.toml"), "--split", str(split), "--out", str(folder)]
    )


def wait_for(folder: Path, *states: str, epochs: int = 0) -> Status:
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        status = read_status(folder)
        assert status is not None
        if status.state in states and len(read_logs(folder)) >= epochs:
            return status
        assert status.state not in {"failed", "interrupted"}, (status, jobs.log_of(folder))
        time.sleep(0.2)
    raise AssertionError(f"{folder.name} is still {status.state}: {jobs.log_of(folder)}")


def test_a_run_is_a_process_that_is_stopped_resumed_and_promoted(split: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "first"
    begin(run, split, epochs=40)
    status = wait_for(run, "running", epochs=2)
    assert status.device
    assert status.title.startswith("phase 1, epoch")
    with pytest.raises(TrainingError, match="the run first is running already"):
        jobs.resume(run)
    jobs.ask_to_stop(run)
    wait_for(run, "stopped")
    done = len(read_logs(run))
    assert 2 <= done < 40
    # the rest is made shorter by hand, so that the test is
    facts = json.loads((run / "run.json").read_text())
    facts["recipe"]["phases"][0]["epochs"] = done + 1
    (run / "run.json").write_text(json.dumps(facts))
    write_recipe(run.parent / "first.toml", replace(small(40), phases=(Phase("all", 1e-4, done + 1, 40),)))
    jobs.resume(run)
    wait_for(run, "finished")
    assert len(read_logs(run)) == done + 1
    assert "going on after epoch" in jobs.log_of(run)
    assert is_finished(run)
    card = card_of_run(run)
    assert card is not None
    models = tmp_path / "models"
    made = jobs.promote(run / "bundle", models, "my_model")
    assert open_bundle(made).name == "my_model"
    for name, said in (("my_model", "already"), ("../evil", "small letters"), ("Big", "small letters")):
        with pytest.raises(TrainingError, match=said):
            jobs.promote(run / "bundle", models, name)
    with pytest.raises(TrainingError, match="no bundle yet"):
        jobs.promote(tmp_path, models, "other")
    assert list_runs(run.parent).keys() == {"first"}


def test_a_killed_run_reads_interrupted_and_a_second_one_waits_its_turn(
    split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    begin(first, split, epochs=500)
    wait_for(first, "running", epochs=1)
    begin(second, split, epochs=1)
    queued = wait_for(second, "queued")
    assert queued.live
    subprocess.run(["pkill", "-9", "-f", str(first)], check=True)
    wait_for(second, "finished")
    monkeypatch.setattr(run_status, "STALE", 0.0)
    status = read_status(first)
    assert status is not None
    assert status.state == "interrupted"


def test_a_run_that_cannot_begin_says_why(split: Path, tmp_path: Path) -> None:
    broken = pd.read_csv(split)
    broken[broken["label"] == "Non Demented"].to_csv(tmp_path / "one.csv", index=False)
    run = tmp_path / "run"
    begin(run, tmp_path / "one.csv", epochs=1)
    until = time.monotonic() + WAIT
    while (status := read_status(run)) is not None and status.live and time.monotonic() < until:
        time.sleep(0.2)
    assert status is not None
    assert status.state == "failed"
    assert "one class only" in status.message


def test_reading_a_runs_state_imports_no_network_library() -> None:
    code = (
        "import sys, core.runs.jobs, core.runs.folder, core.runs.backends, core.runs.status, core.runs.workspace; "
        "assert not {'keras', 'tensorflow', 'torch', 'jax'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_damaged_status_is_no_status(tmp_path: Path) -> None:
    assert read_status(tmp_path) is None
    (tmp_path / "status.json").write_text('{"state": "runn')
    assert read_status(tmp_path) is None
    with pytest.raises(TrainingError, match="nobody knows how it was started"):
        jobs.resume(tmp_path)
