"""Explaining in depth, certificates, and the verbs of the command line for them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.errors import StageLensError
from core.explain import explainer, explainers
from core.explain.checks.sanity_report import SANITY_FILE, sanity_report_of
from core.networks.bundle import WEIGHTS_FILE, Bundle
from core.networks.inference.loading import load_predictor
from core.networks.inference.predictor import Predictor
from core.networks.recipe import Phase, Recipe, Slices
from core.scans import read_scan_file
from core.workflows.explain.bundle_check import check_bundle
from core.workflows.explain.study import study
from core.workflows.ground_truth import ground_truth_benchmark
from core.workflows.predict import read_scans

from ..conftest import SAMPLES, write_tiny_bundle

RECIPE = Recipe(
    "lively", "A lively network", "alzheimer", "tiny", 104, 88, (Phase("all", 1e-3, 1, 1),), start="scratch",
    slices=Slices(-3, 28, "mean_logit"),
)  # fmt: skip
SCAN = SAMPLES / "icbm_marked_z16.png"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "lively", RECIPE)


@pytest.fixture(scope="module")
def predictor(bundle: Bundle) -> Predictor:
    return load_predictor(bundle)


def test_costly_checks_are_made_on_demand_and_add_their_doubts(predictor: Predictor) -> None:
    (reading,) = read_scans([read_scan_file(SCAN)], predictor, method="input-x-gradient")
    assert study(reading, predictor).as_dict() == {}
    found = study(
        reading,
        predictor,
        checks=("stability", "faithfulness", "cascading-randomisation"),
        compare=("gradient",),
        copies=3,
    )
    values = found.as_dict()
    assert set(values) == {"stability", "faithfulness", "cascading-randomisation", "others", "agreement"}
    json.dumps(values, allow_nan=False)
    assert len(values["cascading-randomisation"]["similarity"]) == len(values["cascading-randomisation"]["layers"]) == 6
    failed_checks = found.reading.explanation.failed_checks
    assert set(found.faithfulness.failed_checks if found.faithfulness else ()) <= set(failed_checks)
    assert found.reading.explanation.is_reliable == (not failed_checks)


def test_a_certificate_is_kept_with_the_weights_it_is_about(bundle: Bundle, predictor: Predictor) -> None:
    sanity_report, path = check_bundle(predictor, methods=["gradient", "guided-backprop"])
    assert path == bundle.folder / SANITY_FILE
    assert sanity_report_of(bundle) == sanity_report
    assert set(sanity_report.methods) == {"gradient", "guided-backprop"}
    (reading,) = read_scans([read_scan_file(SCAN)], predictor, method="gradient")
    assert reading.explanation.checks["randomisation"]["passed"] is sanity_report.methods["gradient"].passed
    weights = bundle.folder / WEIGHTS_FILE
    before = weights.read_bytes()
    try:
        weights.write_bytes(before + b" ")
        assert sanity_report_of(bundle) is None  # other weights, no certificate
    finally:
        weights.write_bytes(before)
        path.unlink()


def test_a_method_that_failed_its_certificate_is_called_unreliable(bundle: Bundle, predictor: Predictor) -> None:
    path = bundle.folder / SANITY_FILE
    check_bundle(predictor, methods=["gradient"])
    values = json.loads(path.read_text())
    values["methods"]["gradient"]["similarity"] = 0.9
    path.write_text(json.dumps(values))
    try:
        (reading,) = read_scans([read_scan_file(SCAN)], predictor, method="gradient")
    finally:
        path.unlink()
    assert not reading.explanation.is_reliable
    assert "Explanation unreliable: for this network the method gives nearly the same map" in (
        reading.explanation.sentence
    )  # fmt: skip


def test_explain_on_the_command_line_gives_settings_and_every_check(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGELENS_MODELS", str(bundle.folder.parent))
    order = ["explain", str(SCAN), "--out", str(tmp_path), "--method", "integrated-gradients", "--set",
             "baseline=blurred", "--set", "points=64", "--height", "16", "--check", "faithfulness", "--compare",
             "regions", "--json"]  # fmt: skip
    found = CliRunner().invoke(app, order)
    assert found.exit_code == 0, found.output
    values = json.loads(found.stdout)
    assert values["settings"]["baseline"] == "blurred"
    assert {"completeness_error", "points", "finite", "background_evidence"} <= set(values["checks"])
    assert values["does_not_show"] == explainer("integrated-gradients").hides
    assert {"faithfulness", "agreement"} <= set(values)
    assert sorted(values["files"]) == ["comparison", "heatmap", "overlay", "scan"]
    assert np.load(values["files"]["heatmap"]).shape == (104, 88)


def test_methods_that_are_compared_say_how_far_their_maps_agree(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGELENS_MODELS", str(bundle.folder.parent))
    order = ["explain", str(SCAN), "--out", str(tmp_path), "--compare", "gradient", "--compare", "hires-cam"]
    found = CliRunner().invoke(app, order)
    assert found.exit_code == 0, found.output
    said = dict(
        re.findall(r"^(.+): correlation (-?[\d.]+) with Grad-CAM, \d+ % of the strongest tenth", found.output, re.M)
    )
    values = json.loads(CliRunner().invoke(app, [*order, "--json"]).stdout)["agreement"]["grad-cam"]
    assert {name: float(value) for name, value in said.items()} == {
        explainer(name).title: pytest.approx(values[name]["pearson"], abs=0.006) for name in ("gradient", "hires-cam")
    }


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (["--method", "tea-leaves"], "there is no method 'tea-leaves'"),
        (["--set", "baseline"], "give key=value"),
        (["--set", "layer=conv9"], "there is no layer 'conv9'"),
        (["--check", "horoscope"], "there is no check 'horoscope'; known are stability"),
        (["--method", "regions"], "regions need the height of the slice"),
    ],
)
def test_bad_orders_get_one_line(
    order: list[str], said: str, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGELENS_MODELS", str(bundle.folder.parent))
    found = CliRunner().invoke(app, ["explain", str(SCAN), "--out", str(tmp_path), *order])
    assert found.exit_code == 1
    assert said in (str(found.exception) if isinstance(found.exception, StageLensError) else found.stderr)


def test_every_method_is_listed_with_what_it_does_not_show() -> None:
    found = CliRunner().invoke(app, ["methods", "--json"])
    listed = json.loads(found.stdout)
    assert [one["name"] for one in listed] == [*(one.name for one in explainers()), "contributions"]
    assert {one["name"] for one in listed if one["known_to_fail"]} >= {"score-cam", "guided-backprop"}
    assert "KNOWN TO FAIL" in CliRunner().invoke(app, ["methods"]).stdout


@pytest.mark.slow
def test_the_default_method_finds_a_known_change_and_a_marker(tmp_path: Path) -> None:
    change = ground_truth_benchmark("ventricles", tmp_path / "change", methods=["grad-cam", "integrated-gradients"])
    assert change.accuracy >= 0.95
    scores = {score.method: score for score in change.scores}
    assert scores["grad-cam"].pointing >= 0.95
    assert scores["grad-cam"].mass > 2 * change.changed_fraction
    marker = ground_truth_benchmark("shortcut", tmp_path / "shortcut", methods=["grad-cam"])
    assert marker.accuracy == 1
    assert marker.scores[0].pointing == 1  # the heatmap exposes the shortcut
