import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.backend_choice import settled_backend
from core.cohorts.synthetic.ood_images import ood_images
from core.networks.bundle import bundle_names

from ..conftest import CLASSES, ROOT, SAMPLES
from ..scans import pictures
from .conftest import Shell

SCAN = str(SAMPLES / "icbm_template_z08.png")


def test_predict_gives_probabilities_by_class_for_machines(shell: Shell, models: Path) -> None:
    status, out, _ = shell("predict", SCAN, SAMPLES / "icbm_marked_z24.png", "--model", "tiny", "--json")
    predictions = json.loads(out)
    assert status == 0
    assert [answer["scan"] for answer in predictions] == [SCAN, str(SAMPLES / "icbm_marked_z24.png")]
    for answer in predictions:
        assert answer["model"] == "tiny"
        assert tuple(answer["probabilities"]) == CLASSES
        assert sum(answer["probabilities"].values()) == pytest.approx(1)


def test_predict_reads_well_and_takes_the_default_model(shell: Shell, models: Path) -> None:
    status, out, _ = shell("predict", SCAN)
    assert status == 0
    assert re.search(r"Very Mild Demented +\d+\.\d %", out)
    assert "Not a medical device" in out


@pytest.mark.skipif(not bundle_names(), reason="no model in models/")
def test_a_foreign_picture_gets_no_answer_unless_asked_for(shell: Shell, tmp_path: Path) -> None:
    photograph = ood_images([np.zeros((8, 8))])["photographs"][0].clip(0, 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "photograph.png"), photograph)
    status, out, _ = shell("predict", tmp_path / "photograph.png")
    assert status == 0
    assert "does not look like what the network was trained on" in out
    assert not any(re.search(rf"{name} +\d+\.\d %", out) for name in CLASSES)
    _, out, _ = shell("predict", tmp_path / "photograph.png", "--json")
    (answer,) = json.loads(out)
    assert (answer["rejected"], answer["answer"], answer["probabilities"]) == (True, None, None)
    status, out, err = shell("explain", tmp_path / "photograph.png", "--out", tmp_path / "out")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "does not look like what the network was trained on" in err
    assert not (tmp_path / "out").exists()
    _, out, _ = shell("predict", tmp_path / "photograph.png", "--force")
    assert all(re.search(rf"{name} +\d+\.\d %", out) for name in CLASSES)
    assert "they are no probabilities and name no stage" in out
    assert not re.search("Compatible|calibrated|In testing|█", out)
    _, out, _ = shell("predict", tmp_path / "photograph.png", "--force", "--json")
    (answer,) = json.loads(out)
    assert (answer["answer"], answer["probabilities"], answer["prediction_set"]) == (None, None, None)
    assert not answer["calibrated"]
    assert "similar" not in answer["ood"]
    assert set(answer["raw_outputs"]) == set(CLASSES)
    explaining = ("explain", tmp_path / "photograph.png", "--out", tmp_path / "out", "--force")
    status, out, err = shell(*explaining)
    assert (status, out) == (1, "")
    assert "name the class to explain with --class" in err
    assert not any(name in err for name in CLASSES)
    assert shell(*explaining, "--class", CLASSES[2])[0] == 0


def test_one_bad_scan_of_two_is_named_and_the_other_read(shell: Shell, models: Path, tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_bytes(b"<html></html>")
    status, out, err = shell("predict", tmp_path / "page.jpg", SCAN, "--json")
    assert status == 1
    assert [answer["scan"] for answer in json.loads(out)] == [SCAN]
    assert re.fullmatch(r"stagelens: page\.jpg: this is an HTML page; accepted formats are DICOM, PNG, .*\n", err)


@pytest.mark.parametrize("name", pictures.broken())
@pytest.mark.parametrize("verb", ["predict", "explain"])
def test_a_broken_picture_is_one_line_and_status_1(
    shell: Shell, models: Path, tmp_path: Path, name: str, verb: str
) -> None:
    path = tmp_path / "scan.jpg"
    path.write_bytes(pictures.broken()[name])
    more = ["--out", tmp_path / "out"] if verb == "explain" else []
    status, out, err = shell(verb, path, *more)
    assert (status, out) == (1, "")
    assert re.fullmatch(r"stagelens: scan\.jpg.*\n", err)
    assert not (tmp_path / "out").exists()


def test_a_file_of_many_pages_asks_for_one(shell: Shell, models: Path, tmp_path: Path) -> None:
    (tmp_path / "stack.tif").write_bytes(pictures.PAGES_201)
    status, _, err = shell("predict", tmp_path / "stack.tif")
    assert status == 1
    assert "201 pages" in err
    assert "--page" in err
    assert shell("predict", tmp_path / "stack.tif", "--page", "7")[0] == 0


def test_a_doubtful_picture_is_read_with_a_note(shell: Shell, models: Path, tmp_path: Path) -> None:
    (tmp_path / "black.png").write_bytes(pictures.ALL_BLACK)
    status, out, _ = shell("predict", tmp_path / "black.png")
    assert status == 0
    assert "Note: Every pixel has the same value" in out


def test_explain_leaves_pictures_named_as_the_scan_is(shell: Shell, models: Path, tmp_path: Path) -> None:
    status, out, _ = shell("explain", SCAN, "--out", tmp_path / "o", "--class", "mild demented", "--json")
    answer = json.loads(out)
    assert status == 0
    assert (answer["method"], answer["class"], answer["settings"]["layer"]) == (
        "grad-cam",
        "Mild Demented",
        "layer2_0_out",
    )
    heatmap = np.load(answer["files"]["heatmap"])
    assert heatmap.shape == tuple(answer["cells"])
    assert heatmap.max() == pytest.approx(answer["peak"])
    assert all(Path(path).exists() and Path(path).stem.startswith(Path(SCAN).stem) for path in answer["files"].values())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("predict SCAN --model huge", "there is no model huge; known are tiny."),
        ("explain SCAN --out OUT --class Severe", "'Severe' is not a class"),
        ("explain SCAN --out OUT --method tea", "there is no method 'tea'"),
        ("audit OUT", "there is no folder"),
        ("train nothing --split OUT --out OUT", "there is no recipe nothing"),
        ("train s1_resnet50 --split OUT --out OUT", "is not a split table"),
        ("evaluate tiny --split OUT", "is not a split table"),
        ("export tiny --format pickle --out OUT", "known are keras, onnx"),
    ],
)
def test_work_that_fails_is_one_line_and_status_1(
    shell: Shell, models: Path, tmp_path: Path, line: str, said: str
) -> None:
    meant = {"SCAN": SCAN, "OUT": str(tmp_path / "o")}
    status, out, err = shell(*(meant.get(word, word) for word in line.split()))
    assert (status, out) == (1, "")
    assert err.startswith("stagelens: ")
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize(
    "line", ["predict", "explain SCAN", "nonsense", "split X --by chance", "predict SCAN --page 0"]
)
def test_bad_usage_is_status_2(shell: Shell, line: str) -> None:
    status, out, err = shell(*(SCAN if word == "SCAN" else word for word in line.split()))
    assert (status, out) == (2, "")
    assert "Usage" in err


def test_the_version_is_one_line_with_the_backend_and_loads_no_network_library(shell: Shell) -> None:
    status, out, err = shell("--version")
    backend = settled_backend().backend
    assert (status, out, err) == (0, f"stagelens {version('stagelens')}, {backend} {version(backend)}\n", "")
    code = (
        "import sys; sys.argv = ['stagelens', '--version']; import core.__main__ as m\ntry: m.main()\n"
        "finally: assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def test_help_is_a_word_too(shell: Shell) -> None:
    for words in ([], ["predict"]):
        said = shell("help", *words)
        assert said == shell(*words, "--help")
        assert (said[0], said[2]) == (0, "")
        assert "Usage" in said[1]
    assert shell("help", "nonsense")[0] == 2


def test_audit_and_split_write_their_tables(shell: Shell, slice_cohort: Path, tmp_path: Path) -> None:
    status, out, _ = shell("audit", slice_cohort, "--table", tmp_path / "t.csv")
    assert status == 0
    assert "240 images" in out
    assert "20 people, 12 slices each: 8 Non Demented" in out
    assert "No byte-identical copies." in out
    assert (tmp_path / "t.csv").read_text().startswith("path,label,subject,slice")
    status, out, _ = shell("split", slice_cohort, "--out", tmp_path / "s.csv", "--json")
    assert json.loads(out)["by"] == "subject"
    status, out, _ = shell("split", slice_cohort, "--by", "slice", "--out", tmp_path / "s.csv")
    assert status == 0
    assert "WARNING: 20 of 20 people have slices in more than one part" in out


def test_leak_lays_bare_what_a_split_by_slice_is_worth(shell: Shell, slice_cohort: Path, tmp_path: Path) -> None:
    status, out, _ = shell("leak", slice_cohort, "--plot", tmp_path / "leak.html", "--json")
    found = json.loads(out)
    assert status == 0
    schemes = {scheme["name"]: scheme for scheme in found["schemes"]}
    assert schemes["by_slice"]["accuracy"]["value"] > schemes["by_subject"]["accuracy"]["value"] + 0.3
    assert set(schemes["permuted_labels"]) == {"name", "title", "by", "permuted_labels", "accuracy"}
    assert "Random labels (control)" in (tmp_path / "leak.html").read_text(encoding="utf-8")
    words = shell("leak", slice_cohort)[1]
    assert "On people never seen the same recipe is right in" in words
    status, _, error = shell("leak", slice_cohort, "--recipe", "s1_resnet50")
    assert (status, error.count("\n")) == (1, 1)
    assert "give a folder for its runs with --out" in error


def test_a_part_that_a_run_does_not_have_is_refused_and_not_ignored(shell: Shell, tmp_path: Path) -> None:
    status, _, error = shell("evaluate", tmp_path, "--part", "val")
    assert status == 2
    assert "a run is evaluated on its test part" in " ".join(error.replace("│", " ").split())


def test_audit_for_machines(shell: Shell, slice_cohort: Path) -> None:
    findings = json.loads(shell("audit", slice_cohort, "--json")[1])
    assert (findings["images"], findings["people"], findings["slices_per_subject"]) == (240, 20, [12])


def test_models_and_recipes_are_listed(shell: Shell, models: Path) -> None:
    assert [card["name"] for card in json.loads(shell("models", "--json")[1])] == ["tiny"]
    assert "accuracy" in shell("models")[1]
    assert "s1_resnet50" in shell("recipes")[1]


def test_methods_say_what_each_shows_and_what_it_does_not(shell: Shell) -> None:
    _, listed, _ = shell("methods", "--json")
    _, out, _ = shell("methods")
    for method in json.loads(listed):
        assert re.search(re.sub(r"\\{\w+\\}", ".+", re.escape(method["shows"])), out), method["name"]
        assert method["does_not_show"] in out
    assert "{" not in out


@pytest.mark.parametrize("option", [("--fold", "repeat1_fold1"), ("--repeats", "3"), ("--seed", "7")])
def test_an_option_of_folds_is_refused_without_folds(shell: Shell, tmp_path: Path, option: tuple[str, str]) -> None:
    status, _, err = shell("train", "sample_small", "--split", "split.csv", "--out", tmp_path / "run", *option)
    assert status == 2
    assert f"{option[0]} needs --folds" in " ".join(err.split())
    assert not (tmp_path / "run").exists()


def test_a_run_given_for_a_model_is_told_where_its_model_is(shell: Shell, models: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "first"
    shutil.copytree(models / "tiny", run / "bundle")
    status, _, err = shell("card", run)
    assert (status, err) == (1, f"stagelens: {run} is a run; its model is {run / 'bundle'}.\n")
    status, _, err = shell("card", tmp_path / "runs")
    assert (status, err) == (1, f"stagelens: {tmp_path / 'runs'} is a folder without a model: it holds no card.json.\n")


@pytest.mark.skipif(not bundle_names(), reason="no model in models/")
@pytest.mark.parametrize("verb", ["models", "methods", f"card {bundle_names()[0]}" if bundle_names() else "card"])
def test_an_answer_comes_without_the_notes_of_network_libraries(verb: str) -> None:
    done = subprocess.run([sys.executable, "-m", "core", *verb.split()], capture_output=True, check=True)
    assert done.stderr == b""


EARLY = (
    "calibrate nowhere --split nowhere.csv --people nowhere.csv", "evaluate nowhere --people nowhere.csv",
    "report nowhere --out a.html", "compare nowhere nobody", "explain nowhere.png --out out", "leak nowhere",
    "export nowhere --out out", "sanity-check nowhere", "predict nowhere.png", "split nowhere", "audit nowhere",
    "train sample_small --split nowhere.csv --out out", "full sample_small nowhere --out out", "card nowhere",
    "preprocess nowhere --out out", "volumes nowhere --out out",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("order", EARLY)
def test_a_refusal_is_the_one_line_on_standard_error(order: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "core", *order.split()], capture_output=True, text=True, cwd=tmp_path,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("stagelens: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--split", "nowhere.csv"], "nowhere.csv"),
        (["--split", "SPLIT", "--weights", "nowhere.h5"], "there is no file of start weights nowhere.h5"),
        (["--split", "SPLIT", "--published", "nowhere"], "there is no model nowhere"),
        (["--split", "SPLIT", "--set", "batchsize=4"], "batch_size"),
    ],
)
def test_what_is_missing_is_said_before_a_queue_is_joined(
    shell: Shell, tmp_path: Path, cohort: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], said: str
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the queue was joined")

    monkeypatch.setattr("core.workflows.reported_run.run_reported", never)
    given = [str(cohort / "alzheimer_slices.csv") if word == "SPLIT" else word for word in more]
    status, out, err = shell("train", "s1_mobilenetv2", "--out", tmp_path / "run", *given)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert said in err
