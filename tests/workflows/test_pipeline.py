"""Folds, full runs, records and the doctor: what the command line does in one go."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cohorts import audit_folder
from core.errors import StageLensError, TrainingError
from core.evaluation.evaluation import evaluate
from core.evaluation.predictions import predictions_of_run
from core.networks.recipe import Augmentation, Classic, Phase
from core.networks.recipe_files import read_recipe
from core.reporting.text.evaluation import folds_text
from core.results import write
from core.runs.backends import BackendReport, backends, in_backend, why_unused
from core.runs.folder import card_of_run
from core.workflows import doctor
from core.workflows.cross_validate import CrossValidation, cross_validate
from core.workflows.pipeline import FullRun, full_run
from core.workflows.reported_run import RunRecords, run_reported
from core.workflows.train import Request

from ..conftest import tiny_recipe
from ..training.test_train import Listening

NEAREST = tiny_recipe(phases=(), backbone="pixels", height=32, width=32, classic=Classic("nearest_neighbours"))


def test_folds_are_runs_of_their_own_and_sum_up_to_everybody(slice_cohort: Path, tmp_path: Path) -> None:
    table = audit_folder(slice_cohort).table
    request = Request(NEAREST, Path("unused.csv"), tmp_path / "cv")
    one = cross_validate(request, table, CrossValidation(2, fold="repeat1_fold2"))
    assert one.finished == ("repeat1_fold2",)
    people = table["subject"].nunique()
    assert one.repeats[0].by_subject is not None
    assert one.repeats[0].by_subject.n + one.repeats[0].untested == people
    assert f"{people - one.repeats[0].untested} of {people} people tested once" in folds_text(one)
    assert "everybody" not in folds_text(one)
    found = predictions_of_run(tmp_path / "cv")
    assert found.warnings == (
        f"The cross-validation is not finished: repeat1_fold1 is missing, and {one.repeats[0].untested} of {people} "
        "people were not tested.",
    )
    assert evaluate(found).warnings[:1] == found.warnings
    listener = Listening()
    summary = cross_validate(request, table, CrossValidation(2, 2), listener=listener)
    assert len([line for line in listener.said if " of 2 x 2" in line]) == 3  # one was finished before
    assert summary.finished == summary.wanted
    assert "everybody tested once" in folds_text(summary)
    assert predictions_of_run(tmp_path / "cv").warnings == ()
    for repeat in summary.repeats:
        assert repeat.by_subject is not None
        assert repeat.by_subject.n == table["subject"].nunique()
        assert repeat.by_slice.n == len(table)
    cards = [card_of_run(tmp_path / "cv" / name) for name in summary.wanted]
    accuracies = [card.metrics["accuracy"].value for card in cards if card is not None]
    assert len(accuracies) == 4
    assert summary.per_fold["accuracy"].mean == pytest.approx(np.mean(accuracies))
    assert summary.per_fold["accuracy"].sd == pytest.approx(np.std(accuracies, ddof=1))
    assert len(summary.impaired[0].thresholds) == 2
    assert json.loads((tmp_path / "cv" / "folds.json").read_text()) == summary.as_dict()
    with pytest.raises(TrainingError, match="there is no fold repeat9_fold1"):
        cross_validate(request, table, CrossValidation(2, fold="repeat9_fold1"))


def test_a_full_run_goes_from_a_folder_to_pictures_and_does_nothing_twice(slice_cohort: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(backbone="tiny", phases=(Phase("all", 1e-3, 1, 1),))
    wanted = FullRun(recipe, slice_cohort, tmp_path / "out")
    made = full_run(wanted)
    assert made.card.split.by == "subject"
    assert made.pictures
    assert all(path.is_file() for path in made.pictures)
    evaluation = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert evaluation["by_subject"] == write(made.card.by_subject)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert full_run(wanted).as_dict() == made.as_dict()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()} == times


@pytest.mark.slow
def test_a_copied_full_run_has_its_own_pictures_and_makes_changed_ones_anew(slice_cohort: Path, tmp_path: Path) -> None:
    wanted = FullRun(tiny_recipe(backbone="tiny", phases=(Phase("all", 1e-3, 1, 1),)), slice_cohort, tmp_path / "out")
    made = full_run(wanted)
    copy = Path(shutil.copytree(tmp_path / "out", tmp_path / "copy"))
    names = [path.relative_to(tmp_path / "out") for path in made.pictures]
    assert set(json.loads((copy / "explanations" / "done.json").read_text())) == {
        name.relative_to("explanations").as_posix() for name in names
    }
    before = (copy / names[0]).read_bytes()
    shutil.rmtree(tmp_path / "out")
    for change in (lambda: None, lambda: (copy / names[0]).write_bytes(b"another"), (copy / names[0]).unlink):
        change()
        assert full_run(replace(wanted, out=copy)).pictures == tuple(copy / name for name in names)
        assert (copy / names[0]).read_bytes() == before


def test_a_full_run_of_a_baseline_has_figures_and_no_pictures(slice_cohort: Path, tmp_path: Path) -> None:
    made = full_run(FullRun(NEAREST, slice_cohort, tmp_path / "out", by="slice"))
    assert made.card.by_slice["accuracy"].value > 0.9
    assert "people have slices in more than one part" in str(made.card.split.subject_overlap)
    assert made.pictures == ()
    again = full_run(FullRun(NEAREST, slice_cohort, tmp_path / "out", by="slice"))
    assert again.as_dict() == made.as_dict()


def test_every_run_keeps_recipe_environment_curves_and_predictions(cohort: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(phases=(Phase("head", 1e-3, 2, 2),), augmentation=Augmentation(flip_horizontal=True))
    request = Request(recipe, cohort / "alzheimer_slices.csv", tmp_path / "run")
    outcome = run_reported(request)
    run = tmp_path / "run"
    assert read_recipe(run / "recipe.toml") == recipe
    environment = json.loads((run / "environment.json").read_text())
    assert environment["packages"]["keras"]
    assert environment["backend"] == "tensorflow"
    assert "Validation" in (run / "learning_curves.html").read_text()
    assert (run / "plotly.min.js").exists()
    predictions = pd.read_csv(run / "predictions.csv")
    assert predictions["part"].value_counts().to_dict() == {"train": 12, "val": 4, "test": 4}
    assert outcome.card is not None
    assert outcome.card.device == environment["device"]


def test_runs_are_tracked_with_mlflow_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed; see requirements-backends.txt")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "run").mkdir()
    row = {
        "epoch": 1,
        "accuracy": 0.5,
        "loss": 1.0,
        "val_accuracy": 0.4,
        "val_loss": 1.2,
        "learning_rate": 1e-3,
        "seconds": 1,
    }
    pd.DataFrame([row]).to_csv(tmp_path / "run" / "phase1_log.csv", index=False)
    for _ in range(2):  # the second goes on with the same MLflow run
        with RunRecords(Request(tiny_recipe(), Path("unused"), tmp_path / "run")) as records:
            records.epoch_ends(1, row)
    client = mlflow.MlflowClient(tracking_uri=(tmp_path / "run" / "mlruns").as_uri())
    found = client.search_runs([client.get_experiment_by_name("stagelens").experiment_id])
    assert len(found) == 1
    assert found[0].data.metrics["val_loss"] == 1.2
    assert found[0].data.params["backbone"] == "tiny"


def test_a_failing_component_comes_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise RuntimeError("no luck\nat all")

    tries = [doctor.Check("one", lambda: "fine", "never said"), doctor.Check("two", broken, "try again")]
    monkeypatch.setattr(doctor, "checks", lambda: tries)
    assert list(doctor.examine()) == [
        doctor.Finding("one", True, "fine"),
        doctor.Finding("two", False, "no luck at all", "try again"),
    ]


@pytest.mark.slow
def test_the_doctor_finds_this_machine_well() -> None:
    ill = [finding for finding in doctor.examine() if not finding.well]
    assert not ill


def test_a_backend_that_does_not_load_is_a_finding_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("it broke")

    monkeypatch.setattr("core.runs.backends.in_backend", refuse)
    found = {report.name: report for report in backends()}
    expected = BackendReport("tensorflow", True, True, trouble="it broke")
    assert replace(found["tensorflow"], why="") == expected
    monkeypatch.undo()
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        in_backend("tensorflow", "1 / 0")
    with pytest.raises(RuntimeError, match="no answer within 1 s"):
        in_backend("tensorflow", "import time; time.sleep(9)", wait=1)


def test_the_doctor_tries_only_what_is_asked_for() -> None:
    (data,), (evaluation,) = (list(doctor.examine(doctor.chosen_checks([name]))) for name in ("Data", "evaluation"))
    assert (data.component, data.well, data.remedy) == ("data", True, "")
    assert "16 pictures audited and split" in data.words
    assert (evaluation.component, evaluation.well) == ("evaluation", True)
    assert len(doctor.chosen_checks([])) == len(doctor.checks())
    with pytest.raises(StageLensError, match=r"knows no component 'printer'; it knows readers, devices, data, eval"):
        doctor.chosen_checks(["data", "printer"])


@pytest.mark.parametrize(
    ("used", "trouble", "said"),
    [
        ("cpu", "", r'tensorflow does not use the RTX 4090: pip install -e "\.\[and-cuda\]" brings'),
        ("gpu:0", "", ""),
        ("cpu", "it broke", ""),
    ],
)
def test_a_card_that_is_not_used_is_noticed(used: str, trouble: str, said: str) -> None:
    report = BackendReport("tensorflow", True, True, devices=(used,), used=used, trouble=trouble)
    assert re.match(said or "$", why_unused(report, ("RTX 4090",)))
    assert why_unused(report, ()) == ""
