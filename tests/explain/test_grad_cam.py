import numpy as np
import pytest

from core.errors import EmptyHeatmap, StageLensError
from core.explain import explainer, explainers, heatmap_on_scan, overlay, png_bytes
from core.explain.checks import share_on_background
from core.networks.card import Bundle
from core.networks.predictor import Predictor, load_predictor
from core.scans import Scan, read_scan, read_scan_file

from ..conftest import CLASSES, SAMPLES


@pytest.fixture(scope="module")
def predictor(tiny_bundle: Bundle) -> Predictor:
    return load_predictor(tiny_bundle)


@pytest.fixture(scope="module")
def scans() -> list[Scan]:
    return [read_scan_file(path) for path in sorted(SAMPLES.glob("*.png"))[:4]]


def test_grad_cam_is_the_closed_form_of_pooling_and_one_dense_layer(predictor: Predictor, scans: list[Scan]) -> None:
    network = predictor.network
    kernel = np.asarray(network.head.get_layer("logits").kernel)
    for place, name in enumerate(CLASSES):
        (found,) = explainer("grad-cam").explain(predictor, scans[:1], [name])
        (feature_map,) = np.asarray(network.features(scans[0].grey()[None, ..., None], training=False))
        expected = np.maximum(feature_map @ kernel[:, place], 0) / feature_map[..., 0].size
        np.testing.assert_allclose(found.heatmap, expected, atol=1e-5 * max(1e-3, expected.max()) + 1e-12)


@pytest.mark.parametrize("method", explainers(), ids=lambda method: method.name)
def test_every_method_keeps_the_contract(method, predictor: Predictor, scans: list[Scan]) -> None:  # type: ignore[no-untyped-def]
    found = method.explain(predictor, scans, [None, *CLASSES[:3]])
    assert method.explain(predictor, [], []) == []
    assert [explanation.class_name for explanation in found[1:]] == list(CLASSES[:3])
    assert found[0].class_name == found[0].prediction.answer
    for explanation, scan in zip(found, scans, strict=True):
        assert explanation.heatmap.dtype == np.float32
        assert np.isfinite(explanation.heatmap).all()
        assert explanation.heatmap.min() >= 0
        assert heatmap_on_scan(explanation).shape == scan.voxels.shape
        (alone,) = method.explain(predictor, [scan], [explanation.class_name])
        np.testing.assert_allclose(alone.heatmap, explanation.heatmap, rtol=1e-3, atol=1e-4 * explanation.peak)


def test_probabilities_beside_a_heatmap_are_those_of_the_prediction(predictor: Predictor, scans: list[Scan]) -> None:
    found = explainer("grad-cam").explain(predictor, scans, [None] * 4)
    for explanation, prediction in zip(found, predictor.predict(scans), strict=True):
        np.testing.assert_allclose(explanation.prediction.logits, prediction.logits, atol=1e-5)


def test_no_evidence_is_said_and_not_drawn(predictor: Predictor, scans: list[Scan]) -> None:
    kernel = predictor.network.head.get_layer("logits").kernel
    before = np.asarray(kernel).copy()
    try:
        kernel.assign(-np.abs(before))  # features are not negative after ReLU, so nothing speaks for any class
        (found,) = explainer("grad-cam").explain(predictor, scans[:1], ["Mild Demented"])
    finally:
        kernel.assign(before)
    assert found.is_empty
    assert found.as_dict()["empty"] is True
    assert "No positive evidence for Mild Demented" in found.sentence
    with pytest.raises(EmptyHeatmap, match="No positive evidence"):
        overlay(scans[0], found)


def test_a_heatmap_lands_on_the_place_it_speaks_of(predictor: Predictor, scans: list[Scan]) -> None:
    (found,) = explainer("grad-cam").explain(predictor, scans[:1], [None])
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
    (found,) = explainer("grad-cam").explain(predictor, scans[:1], [None])
    shaped = type(found)(**{**vars(found), "heatmap": np.eye(*found.heatmap.shape, dtype=np.float32)})
    plain = overlay(scans[0], shaped, opacity=0)
    np.testing.assert_array_equal(plain, np.repeat(scans[0].picture()[..., None], 3, axis=-1))
    full = overlay(scans[0], shaped, opacity=1)
    peak = np.unravel_index(heatmap_on_scan(shaped).argmax(), plain.shape[:2])
    assert np.abs(full[peak].astype(int) - [252, 255, 164]).max() <= 2  # the brightest colour of "inferno"


def test_a_picture_survives_png() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
    np.testing.assert_array_equal(read_scan({"p": png_bytes(picture)}).grey(), picture)


def test_evidence_on_the_background_is_counted_and_said(predictor: Predictor, scans: list[Scan]) -> None:
    grey = np.array([[0, 200], [10, 255]], np.float32)
    assert share_on_background(np.array([[1, 2], [3, 4]], np.float32), grey) == pytest.approx(0.4)
    assert np.isnan(share_on_background(np.zeros((2, 2), np.float32), grey))
    (found,) = explainer("grad-cam").explain(predictor, scans[:1], [None])
    if not found.is_empty:
        assert 0 <= found.checks["share_on_background"] <= 1
        assert f"{found.checks['share_on_background']:.0%} of the evidence lies on dark background" in found.sentence


def test_an_unknown_class_or_method_lists_the_known(predictor: Predictor, scans: list[Scan]) -> None:
    with pytest.raises(StageLensError, match="'Severe' is no class of this network; it knows Non Demented"):
        explainer("grad-cam").explain(predictor, scans[:1], ["Severe"])
    with pytest.raises(StageLensError, match="known are grad-cam"):
        explainer("tea-leaves")
