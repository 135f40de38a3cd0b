"""Heatmaps computed by hand, or by another library."""

import numpy as np
import pytest

from core.explain import Explainer, explain_arrays, explainers, heatmap_on_scan
from core.explain.attribution import ask
from core.explain.paths import RULES, integrate_straight
from core.networks.bundle import bundle_names, open_bundle
from core.networks.inference.loading import load_predictor
from core.networks.inference.predictor import Predictor
from core.networks.recipe import Head
from core.scans import read_scan_file

from ..conftest import CLASSES, SAMPLES
from .networks import cells_predictor, predictor_of, shared

PICTURES = [
    name for name in bundle_names() if open_bundle(name).recipe.has_network and open_bundle(name).recipe.depth is None
]
CELLS = np.array([[10.0, 60.0], [120.0, 200.0]])
GREY = np.kron(CELLS, np.ones((16, 16))).astype(np.float32)
KERNEL = np.array([[0.02, -0.01, 0.0, 0.01], [-0.03, 0.04, 0.0, 0.01]])
BIAS = np.array([0.1, 0.2, 0.0, -0.1])
FEATURES = np.stack([CELLS, np.maximum(100 - CELLS, 0)], axis=-1)


@pytest.fixture(scope="module")
def cells() -> Predictor:
    return cells_predictor(KERNEL, BIAS)


@pytest.mark.parametrize("index", range(4))
def test_grad_cam_and_its_relatives_on_four_cells_are_as_by_hand(cells: Predictor, index: int) -> None:
    weights = KERNEL[:, index] / 4  # the gradient of the mean of four cells
    by_hand = {
        "grad-cam": np.maximum(FEATURES @ weights, 0),
        "hires-cam": np.maximum((FEATURES * weights).sum(-1), 0),
        "layer-cam": np.maximum((FEATURES * np.maximum(weights, 0)).sum(-1), 0),
    }
    for method, expected in by_hand.items():
        (found,) = explain_arrays(cells, [GREY], [CLASSES[index]], method)
        np.testing.assert_allclose(found.heatmap, expected, atol=1e-6, err_msg=method)
    total = FEATURES.sum(axis=(0, 1))
    alpha = weights**2 / (2 * weights**2 + total * weights**3 + 1e-30)
    expected = np.maximum(FEATURES @ (4 * alpha * np.maximum(weights, 0)), 0)
    (found,) = explain_arrays(cells, [GREY], [CLASSES[index]], "grad-cam++")
    np.testing.assert_allclose(found.heatmap, expected, rtol=1e-5, atol=1e-6)


def test_a_dense_head_is_differentiated_and_a_linear_one_gives_the_same_either_way() -> None:
    predictor = shared("tiny", height=64, width=64)
    grey = np.random.default_rng(0).uniform(0, 255, (64, 64)).astype(np.float32)
    inputs, layer = predictor.inputs([grey]), predictor.network.target_layer
    activations, gradient = predictor.layer_gradient(inputs, np.array([1]), layer)
    (found,) = explain_arrays(predictor, [grey], [CLASSES[1]])
    expected = np.maximum((activations * gradient.mean(axis=(1, 2), keepdims=True)).sum(-1), 0)[0]
    np.testing.assert_allclose(found.heatmap, expected, rtol=1e-4, atol=1e-6)
    deep = shared("tiny", height=64, width=64, head=Head(dense=(8,), dropout=0.0))
    activations, gradient = deep.layer_gradient(inputs, np.array([2]), layer)
    (found,) = explain_arrays(deep, [grey], [CLASSES[2]], "hires-cam")
    np.testing.assert_allclose(found.heatmap, np.maximum((activations * gradient).sum(-1), 0)[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rule", [*RULES, "adaptive"])
def test_integrated_gradients_of_a_linear_network_are_weight_times_difference(rule: str) -> None:
    predictor = shared("by_hand_linear")
    kernel = np.asarray(predictor.network.head.get_layer("logits").kernel)[0]
    grey = np.random.default_rng(1).uniform(0, 255, (32, 32)).astype(np.float32)
    for index, name in enumerate(CLASSES):
        (found,) = explain_arrays(predictor, [grey], [name], "integrated-gradients", rule=rule, points=16)
        expected = kernel[index] / 32**2 * grey
        if rule == "riemann":  # its points lie at the far ends of their intervals; on a line that makes no difference
            assert found.checks["points"] == 16
        np.testing.assert_allclose(found.heatmap, expected, atol=1e-6 * np.abs(expected).max() + 1e-9)
        assert found.checks["completeness_error"] < 1e-4
        (softened,) = explain_arrays(predictor, [grey], [name], "integrated-gradients", baseline="blurred")
        assert abs(softened.heatmap.sum() - softened.checks["score_difference"]) < 1e-4


def test_two_networks_that_compute_the_same_have_the_same_integrated_gradients() -> None:
    """The second feature is never active above 100, so its weight cannot matter there."""
    grey = GREY * 0.3 + 130
    maps = []
    for second in (0.0, 7.0):
        kernel = KERNEL.copy()
        kernel[1] = second
        predictor = cells_predictor(kernel, BIAS)
        batch = ask(predictor, predictor.inputs([grey]), np.array([0]))
        baseline = np.full_like(batch.inputs[0], 110.0)
        maps.append(integrate_straight(batch, 0, baseline, rule="gauss-legendre", points=8).attribution)
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-7)


def test_the_heatmap_moves_with_the_scan_by_whole_cells() -> None:
    predictor = predictor_of("by_hand_cells", height=64, width=64)
    predictor.network.features.get_layer("features").set_weights([np.array([[[[1.0, -1.0]]]]), np.array([0.0, 0.0])])
    grey = np.zeros((64, 64), np.float32)
    grey[18:30, 20:28] = 200
    for method in ("grad-cam", "hires-cam", "layer-cam", "integrated-gradients", "eigen-cam"):
        kernel = np.asarray(predictor.network.head.get_layer("logits").kernel)
        name = CLASSES[int(kernel[0].argmax())]
        here, there = (explain_arrays(predictor, [np.roll(grey, by, (0, 1))], [name], method)[0] for by in (0, 16))
        cell = 64 // here.heatmap.shape[0]
        np.testing.assert_allclose(
            np.roll(here.heatmap, 16 // cell, (0, 1)), there.heatmap, atol=1e-5 * max(1.0, here.peak), err_msg=method
        )


def test_logits_are_differentiated_not_probabilities(cells: Predictor) -> None:
    """Where a probability is 1 to the last bit its gradient is 0; the heatmap of the logit is as strong as ever."""
    sure = cells_predictor(KERNEL * 50, BIAS)
    (found,), (before,) = (explain_arrays(p, [GREY], [CLASSES[1]]) for p in (sure, cells))
    (of_sure,) = explain_arrays(sure, [GREY], [CLASSES[0]])
    assert max(of_sure.prediction.probabilities.values()) > 0.9999
    np.testing.assert_allclose(found.heatmap, 50 * before.heatmap, rtol=1e-5)
    (ig,) = explain_arrays(sure, [GREY], [CLASSES[0]], "integrated-gradients")
    assert abs(ig.heatmap.sum() - ig.checks["score_difference"]) <= 0.011 * abs(ig.checks["score_difference"])


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_integrated_gradients_of_every_shipped_network_are_complete(name: str) -> None:
    predictor = load_predictor(open_bundle(name))
    images = [read_scan_file(SAMPLES / "icbm_marked_z16.png").grey()]
    for found in explain_arrays(predictor, images, [None], "integrated-gradients"):
        assert found.checks["completeness_error"] < 0.01
        assert found.checks["complete"] is True
        assert found.checks["map_settled"] is True
        assert 0 < found.checks["map_change"] <= 0.05
        assert 16 <= found.checks["points"] <= 1024


def assert_the_change_bounds_what_is_left(predictor: Predictor, image: np.ndarray) -> None:
    found, converged = (
        explain_arrays(predictor, [image], [None], "integrated-gradients", **settings)[0]
        for settings in ({}, {"rule": "midpoint", "points": 512})
    )
    away = np.linalg.norm(found.heatmap - converged.heatmap) / np.linalg.norm(converged.heatmap)
    assert away <= found.checks["map_change"] <= 0.05


def test_the_change_of_a_map_bounds_how_far_it_is_from_the_converged_one() -> None:
    """Completeness does not: with few points the sum may be right by luck while the map is not."""
    for seed in range(3):
        image = np.random.default_rng(seed).uniform(0, 255, (64, 64)).astype(np.float32)
        assert_the_change_bounds_what_is_left(shared("tiny", height=64, width=64), image)


@pytest.mark.slow
def test_the_change_of_a_map_of_a_shipped_network_bounds_it_too_and_few_points_do_not_settle_it() -> None:
    predictor = load_predictor(open_bundle(bundle_names()[0]))
    image = read_scan_file(SAMPLES / "icbm_marked_z08.png").grey()
    assert_the_change_bounds_what_is_left(predictor, image)
    (early,) = explain_arrays(predictor, [image], [None], "integrated-gradients", points=31, tolerance=0.5)
    assert early.checks["map_settled"] is False
    assert any("when the points along its path were doubled" in reason for reason in early.failed_checks)


@pytest.mark.parametrize("method", explainers(), ids=lambda method: method.name)
def test_every_method_explains_volumes_too(method: Explainer) -> None:
    if method.name == "regions":
        pytest.skip("regions need a network of slices in standard space")
    predictor = shared("tiny3d", depth=32)
    volume = np.random.default_rng(2).uniform(0, 255, (32, 32, 32)).astype(np.float32)
    few = {
        "rise": {"masks": 4},
        "score-cam": {"channels": 3},
        "smoothgrad": {"copies": 2},
        "vargrad": {"copies": 2},
        "occlusion": {"patch_fraction": 0.5, "overlap": 0},
        "integrated-gradients": {"points": 16},
        "blur-ig": {"points": 4},
    }
    (found,) = explain_arrays(predictor, [volume], [None], method.name, **few.get(method.name, {}))
    assert found.heatmap.ndim == 3
    assert np.isfinite(found.heatmap).all()
    assert heatmap_on_scan(found).shape == volume.shape
