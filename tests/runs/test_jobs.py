"""Trainings as processes: status, stop, resume, turns, promotion. A run folder is all there is."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from core.errors import TrainingError
from core.networks.bundle import open_bundle
from core.networks.recipe import Augmentation, Phase, Recipe
from core.networks.recipe_files import recipe_values
from core.runs import jobs
from core.runs import status as run_status
from core.runs.folder import card_of_run, is_finished, read_logs, write_recipe
from core.runs.status import Status, list_runs, read_status

from ..conftest import ROOT, tiny_recipe

WAIT = 300  # seconds; what is waited for comes in a few, unless the machine has much else to do
Processes = list[subprocess.Popen[bytes]]


@pytest.fixture(autouse=True)
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    """The processes that a test started; none outlives it, and none is taken for dead because it is slow."""
    started: Processes = []

    def start(*command: object, **more: object) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(*command, **more))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(jobs, "subprocess", SimpleNamespace(Popen=start, DEVNULL=subprocess.DEVNULL))
    monkeypatch.setattr(run_status, "STALE", WAIT)
    yield started
    for process in started:
        process.kill()
        process.wait()


def small(epochs: int, *, phases: int = 1) -> Recipe:
    """A network that other processes know too."""
    return tiny_recipe(
        backbone="simple2dcnn", height=32, width=32, batch_size=4,
        phases=(Phase("all", 1e-4, epochs, epochs),) * phases, augmentation=Augmentation(flip_horizontal=True),
    )  # fmt: skip


ENDLESS = small(1000, phases=9)  # on any machine such a run ends when it is told to


@pytest.fixture(scope="module")
def split(cohort: Path) -> Path:
    return cohort / "alzheimer_slices.csv"


def begin(folder: Path, split: Path, recipe: Recipe) -> None:
    folder.mkdir(parents=True)
    path = folder.parent / f"{folder.name}.toml"
    write_recipe(path, recipe)
    jobs.start(folder, ["train", str(path), "--split", str(split), "--out", str(folder)])


def wait_for(folder: Path, state: str, *, title: str = "", epochs: int = 0) -> Status:
    """Look until a run has this state, a title that begins so, and so many epochs in its log."""
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        status = read_status(folder)
        assert status is not None
        if status.state == state and status.title.startswith(title) and len(read_logs(folder)) >= epochs:
            return status
        assert status.live, (status, jobs.log_of(folder))
        time.sleep(0.1)
    raise AssertionError(f"{folder.name} is still {status}: {jobs.log_of(folder)}")


def test_a_run_is_a_process_that_is_stopped_resumed_and_promoted(split: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "first"
    begin(run, split, ENDLESS)
    status = wait_for(run, "running", title="phase 1, epoch", epochs=2)
    assert status.device
    with pytest.raises(TrainingError, match="the run first is running already"):
        jobs.resume(run)
    jobs.ask_to_stop(run)
    wait_for(run, "stopped")
    done = len(read_logs(run))
    assert 2 <= done < 1000
    # the rest is made shorter by hand, so that the test is
    facts = json.loads((run / "run.json").read_text())
    facts["recipe"] = recipe_values(small(done + 1))
    (run / "run.json").write_text(json.dumps(facts))
    write_recipe(run.parent / "first.toml", small(done + 1))
    jobs.resume(run)
    wait_for(run, "finished")
    assert len(read_logs(run)) == done + 1
    assert "going on after epoch" in jobs.log_of(run)
    assert is_finished(run)
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
    split: Path, tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    begin(first, split, ENDLESS)
    wait_for(first, "running", epochs=1)
    begin(second, split, small(1))
    queued = wait_for(second, "queued")
    assert queued.live
    processes[0].kill()
    wait_for(second, "finished")
    monkeypatch.setattr(run_status, "STALE", 0.0)
    status = read_status(first)
    assert status is not None
    assert status.state == "interrupted"


def test_a_run_that_cannot_begin_says_why(split: Path, tmp_path: Path) -> None:
    broken = pd.read_csv(split)
    broken[broken["label"] == "Non Demented"].to_csv(tmp_path / "one.csv", index=False)
    run = tmp_path / "run"
    begin(run, tmp_path / "one.csv", small(1))
    assert "one class only" in wait_for(run, "failed").message


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


@pytest.mark.parametrize(
    ("state", "silent", "read"),
    [
        ("starting", 60, "starting"),
        ("starting", 130, "interrupted"),
        ("running", 10, "running"),
        ("running", 30, "interrupted"),
    ],
)
def test_a_starting_process_has_longer_to_say_its_first_word(
    state: str, silent: float, read: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_status, "STALE", 20.0)
    run_status.write_status(tmp_path, run_status.Status(state=state, heartbeat=time.time() - silent))
    status = read_status(tmp_path)
    assert status is not None
    assert status.state == read
