import json
import re
import textwrap
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from core.errors import EmptyHeatmap, StageLensError
from core.explain import Explainer, Explanation, explain, explainer, explainers, heatmap_on_scan
from core.explain.checks.reliability import background_evidence
from core.explain.methods.perturbation.rise import random_masks
from core.explain.overlay import contours, overlay, signed_overlay
from core.networks.inference.engine import stretched
from core.networks.inference.predictor import Predictor
from core.networks.recipe import Slices
from core.scans import Scan, read_scan, read_scan_file
from core.scans.framing import head_mask
from core.scans.writing import png_bytes

from ..conftest import CLASSES, ROOT, SAMPLES
from .networks import predictor_of, shared


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return shared("tiny", height=104, width=88, slices=Slices(-3, 28, "mean_logit"))


@pytest.fixture(scope="module")
def scans() -> list[Scan]:
    return [read_scan_file(path) for path in sorted(SAMPLES.glob("*.png"))[:4]]


def test_grad_cam_is_the_closed_form_of_pooling_and_one_dense_layer(predictor: Predictor, scans: list[Scan]) -> None:
    network = predictor.network
    kernel = np.asarray(network.head.get_layer("logits").kernel)
    for index, name in enumerate(CLASSES):
        (found,) = explain(predictor, scans[:1], [name])
        (feature_map,) = np.asarray(network.features(scans[0].grey()[None, ..., None], training=False))
        expected = np.maximum(feature_map @ kernel[:, index], 0) / feature_map[..., 0].size
        np.testing.assert_allclose(found.heatmap, expected, atol=1e-5 * max(1e-3, expected.max()) + 1e-12)


FEW = {
    "rise": {"masks": 20},
    "score-cam": {"channels": 5},
    "smoothgrad": {"copies": 3},
    "vargrad": {"copies": 3},
    "integrated-gradients": {"points": 24},
    "blur-ig": {"points": 8},
}


@pytest.mark.parametrize("method", explainers(), ids=lambda method: method.name)
def test_every_method_keeps_the_contract(method: Explainer, predictor: Predictor, scans: list[Scan]) -> None:
    few = FEW.get(method.name, {})
    heights = [0.0, 8.0, 16.0, 24.0]
    found = explain(predictor, scans, [None, *CLASSES[:3]], method.name, heights_mm=heights, **few)
    assert explain(predictor, [], [], method.name) == []
    assert [explanation.class_name for explanation in found[1:]] == list(CLASSES[:3])
    assert found[0].class_name == found[0].prediction.answer
    for explanation, scan, height in zip(found, scans, heights, strict=True):
        assert explanation.heatmap.dtype == np.float32
        assert np.isfinite(explanation.heatmap).all()
        assert method.signed or explanation.heatmap.min() >= 0
        assert heatmap_on_scan(explanation).shape == scan.voxels.shape
        assert explanation.class_name in explanation.sentence or method.of_no_class
        json.dumps(explanation.as_dict(), allow_nan=False)
        if method.draws_at_random:
            continue  # the numbers drawn may depend on the index in the batch
        (alone,) = explain(predictor, [scan], [explanation.class_name], method.name, heights_mm=[height], **few)
        size = np.abs(explanation.heatmap).max()
        np.testing.assert_allclose(alone.heatmap, explanation.heatmap, rtol=1e-3, atol=2e-3 * size)


@pytest.mark.parametrize("method", explainers(), ids=lambda method: method.name)
def test_every_method_says_what_it_shows_what_it_does_not_and_who_says_so(method: Explainer) -> None:
    for text in (method.shows, method.hides):
        assert text.endswith(".")
        assert len(text) > 40
    assert re.search(r"\b(19|20)\d\d\b|arXiv", method.source)
    assert method.cost
    assert method.of_no_class != ("{class_name}" in method.shows)


def test_the_record_in_the_contributing_guide_keeps_the_contract() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (written,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    known = {"Explainer": Explainer, "my_method": explainer("grad-cam").compute}
    exec(textwrap.dedent(written), known)  # noqa: S102 - our own words
    test_every_method_says_what_it_shows_what_it_does_not_and_who_says_so(known["EXPLAINER"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="cost"):
        exec(textwrap.dedent(re.sub("cost=.*", "", written)), known)  # noqa: S102


@pytest.mark.parametrize("name", [method.name for method in explainers() if method.draws_at_random])
def test_a_seed_repeats_and_another_does_not(name: str, predictor: Predictor, scans: list[Scan]) -> None:
    few = FEW.get(name, {})
    maps = [explain(predictor, scans[:1], [None], name, seed=seed, **few)[0].heatmap for seed in (0, 0, 1)]
    np.testing.assert_allclose(maps[0], maps[1], rtol=1e-4, atol=1e-6 * np.abs(maps[0]).max())
    assert not np.allclose(maps[0], maps[2], rtol=1e-3)


def test_settings_are_checked_by_name_and_value(predictor: Predictor, scans: list[Scan]) -> None:
    with pytest.raises(StageLensError, match="Grad-CAM has no setting 'steps'; it has layer"):
        explain(predictor, scans[:1], [None], "grad-cam", steps=3)
    with pytest.raises(StageLensError, match="Integrated Gradients: baseline = 'white'"):
        explain(predictor, scans[:1], [None], "integrated-gradients", baseline="white")
    with pytest.raises(StageLensError, match="no layer 'conv9' for heatmaps"):
        explain(predictor, scans[:1], [None], "layer-cam", layers=("conv9",))
    with pytest.raises(StageLensError, match="regions need the height of the slice"):
        explain(predictor, scans[:1], [None], "regions")
    with pytest.raises(StageLensError, match="in standard space only, which this network does not read"):
        explain(predictor_of("by_hand_cells"), scans[:1], [None], "regions")


def test_probabilities_beside_a_heatmap_are_those_of_the_prediction(predictor: Predictor, scans: list[Scan]) -> None:
    found = explain(predictor, scans, [None] * 4)
    for explanation, prediction in zip(found, predictor.predict(scans), strict=True):
        np.testing.assert_allclose(explanation.prediction.logits, prediction.logits, atol=1e-5)


def test_a_method_known_to_fail_is_unreliable_without_a_sanity_report(predictor: Predictor, scans: list[Scan]) -> None:
    (found,) = explain(predictor, scans[:1], [None], "guided-backprop")
    assert not found.is_reliable
    assert any("it restores edges of the image, whatever the weights" in warning for warning in found.failed_checks)
    assert "randomisation" not in found.checks


def test_masks_of_rise_are_grids_enlarged_and_shifted() -> None:
    coarse = (np.random.default_rng(5).random((3, 8, 8)) < 0.5).astype(np.float32)
    masks = random_masks(3, (52, 44), cells=7, kept=0.5, rng=np.random.default_rng(5))
    assert masks.shape == (3, 52, 44)
    for mask, grid in zip(masks, coarse, strict=True):
        whole = cv2.resize(grid, (8 * 7, 8 * 8), interpolation=cv2.INTER_LINEAR)
        shifted = [whole[top : top + 52, left : left + 44] for top in range(8) for left in range(7)]
        assert min(np.abs(mask - one).max() for one in shifted) < 1e-6


def test_a_map_without_evidence_is_reported_and_not_drawn(predictor: Predictor, scans: list[Scan]) -> None:
    kernel = predictor.network.head.get_layer("logits").kernel
    before = np.asarray(kernel).copy()
    try:
        kernel.assign(-np.abs(before))  # features are not negative after ReLU, so there is no evidence for any class
        (found,) = explain(predictor, scans[:1], ["Mild Demented"])
    finally:
        kernel.assign(before)
    assert found.is_empty
    assert found.failed_checks == ()  # an empty map is not unreliable
    assert found.as_dict()["empty"] is True
    assert "No positive evidence for Mild Demented" in found.sentence
    with pytest.raises(EmptyHeatmap, match="No positive evidence"):
        overlay(scans[0], found)


def test_a_heatmap_lies_over_the_region_it_highlights(predictor: Predictor, scans: list[Scan]) -> None:
    (found,) = explain(predictor, scans[:1], [None])
    planted = np.zeros_like(found.heatmap)
    planted[0, -1] = 2.0
    moved = type(found)(**{**vars(found), "heatmap": planted})
    on_scan = heatmap_on_scan(moved)
    row, column = np.unravel_index(on_scan.argmax(), on_scan.shape)
    assert row < on_scan.shape[0] / 3
    assert column > on_scan.shape[1] * 2 / 3
    assert on_scan.min() >= 0
    assert on_scan.max() <= 2.0


def test_opacity_runs_from_the_plain_scan_to_the_full_colour(predictor: Predictor, scans: list[Scan]) -> None:
    (found,) = explain(predictor, scans[:1], [None])
    shaped = replace(found, heatmap=np.eye(*found.heatmap.shape, dtype=np.float32), failed_checks=())
    plain = overlay(scans[0], shaped, opacity=0)
    np.testing.assert_array_equal(plain, np.repeat(scans[0].picture()[..., None], 3, axis=-1))
    full = overlay(scans[0], shaped, opacity=1)
    drawn = np.where(head_mask(scans[0].grey()), heatmap_on_scan(shaped), 0)
    peak = np.unravel_index(drawn.argmax(), drawn.shape)
    assert np.abs(full[peak].astype(int) - [252, 255, 164]).max() <= 2  # the brightest colour of "inferno"


@pytest.mark.parametrize("draw", [overlay, signed_overlay, contours])
def test_nothing_is_drawn_on_the_air_around_a_head_unless_the_map_failed_a_check(
    predictor: Predictor, scans: list[Scan], draw: Callable[[Scan, Explanation], np.ndarray]
) -> None:
    (found,) = explain(predictor, scans[:1], [None])
    grey = np.zeros((60, 50), np.float32)
    grey[15:45, 10:40] = 180
    grey[25:32, 20:28] = 0  # dark fluid within
    scan = replace(scans[0], voxels=grey, window=(0.0, 255.0))
    everywhere = {"centres": stretched((6, 5), (60, 50)), "scan_shape": (60, 50), "input_shape": (60, 50)}
    heat = np.random.default_rng(0).uniform(0.5, 1, (6, 5)).astype(np.float32)
    passed = replace(found, heatmap=heat, failed_checks=(), **everywhere)
    plain, head = np.repeat(scan.picture()[..., None], 3, axis=-1), np.zeros((60, 50), bool)
    head[15:45, 10:40] = True
    changed = (draw(scan, passed) != plain).any(axis=2)
    assert changed[head].any()
    assert not changed[~head].any()
    assert (
        "Nothing is drawn on the air around the head."
        in replace(passed, checks={"background_evidence": 0.3, "background": 0.6}).sentence
    )
    failed = replace(passed, failed_checks=("it highlights the background as much as the brain.",))
    assert (draw(scan, failed) != plain).any(axis=2)[~head].any()
    nowhere = np.where(np.arange(6)[:, None] < 1, heat, 0).astype(np.float32)
    assert (draw(scan, replace(passed, heatmap=nowhere)) != plain).any()  # there is nothing else to see


def test_the_head_is_the_largest_thing_with_what_it_encloses() -> None:
    picture = np.zeros((40, 40), np.float32)
    picture[10:30, 10:30], picture[15:20, 15:20], picture[2:4, 2:4] = 200, 0, 255
    expected = np.zeros((40, 40), bool)
    expected[10:30, 10:30] = True
    np.testing.assert_array_equal(head_mask(picture), expected)
    assert head_mask(np.zeros((5, 5), np.float32)).all()


def test_a_picture_survives_png() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
    np.testing.assert_array_equal(read_scan({"p": png_bytes(picture)}).grey(), picture)


def test_evidence_on_the_background_is_measured_and_reported(predictor: Predictor, scans: list[Scan]) -> None:
    grey = np.array([[0, 200], [10, 255]], np.float32)
    assert background_evidence(np.array([[1, 2], [3, 4]], np.float32), grey) == pytest.approx(0.4)
    assert np.isnan(background_evidence(np.zeros((2, 2), np.float32), grey))
    (found,) = explain(predictor, scans[:1], [None])
    if not found.is_empty:
        assert 0 <= found.checks["background_evidence"] <= 1
        assert (
            f"{100 * found.checks['background_evidence']:.0f} % of the evidence lies where the picture is dark"
            in found.sentence
        )


def test_the_evidence_is_divided_among_regions_if_the_height_is_known(predictor: Predictor, scans: list[Scan]) -> None:
    (unknown,) = explain(predictor, scans[:1], [None])
    assert "evidence_by_region" not in unknown.checks
    (found,) = explain(predictor, scans[:1], [None], heights_mm=[0.0])
    fractions = found.checks["evidence_by_region"]
    assert sum(one["evidence"] for one in fractions.values()) == pytest.approx(1)
    assert sum(one["size"] for one in fractions.values()) == pytest.approx(1)
    assert {"ventricles", "outside the brain", "white matter, left front"} <= set(fractions)
    evidence = [one["evidence"] for one in fractions.values()]
    assert evidence == sorted(evidence, reverse=True)


def test_an_unknown_class_or_method_lists_the_known(predictor: Predictor, scans: list[Scan]) -> None:
    with pytest.raises(StageLensError, match="'Severe' is not a class of this network; its classes are Non Demented"):
        explain(predictor, scans[:1], ["Severe"])
    with pytest.raises(StageLensError, match="known are grad-cam"):
        explainer("tea-leaves")
