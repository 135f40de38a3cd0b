"""Networks cut in two, engines that run them, and gradients of the two parts."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from core.errors import StageLensError
from core.networks.architectures.backbones import BACKBONES
from core.networks.architectures.network import Network, build_network
from core.networks.backend import compile_forward, compile_gradient
from core.networks.bundle import Bundle
from core.networks.inference.conversion import compile_body
from core.networks.inference.folding import folded
from core.networks.inference.gradients import randomised
from core.networks.inference.loading import load_predictor
from core.networks.inference.submodels import answering, guided, head_kernel, is_linear_head, layers_of, split_at
from core.networks.recipe import Head, Recipe

from ...conftest import ROOT, tiny_recipe


def lively(**changes: object) -> Network:
    """A small network whose features are far from zero."""
    return build_network(tiny_recipe(backbone="tiny", height=64, width=48, **changes))


def scans_for(recipe: Recipe, count: int = 2) -> np.ndarray:
    shape = (recipe.height, recipe.width, 1) if recipe.depth is None else (recipe.depth, recipe.height, recipe.width, 1)
    return np.random.default_rng(4).uniform(0, 255, (count, *shape)).astype(np.float32)


@pytest.mark.parametrize("name", ["resnet18", "simple2dcnn", "efficientnetb0", "simple3dcnn"])
def test_both_halves_of_a_network_are_the_network_wherever_it_is_cut(name: str) -> None:
    depth = {"depth": 32} if BACKBONES[name].dimensions == 3 else {}
    network = build_network(tiny_recipe(backbone=name, **depth))
    scans = scans_for(network.recipe)
    whole = np.asarray(answering(network)(scans, training=False))
    layers = layers_of(network)
    assert layers[-1] == network.target_layer
    sizes = []
    for layer in layers:
        lower, upper = split_at(network, layer)
        halfway = lower(scans, training=False)
        sizes.append(np.prod(halfway.shape[1:-1]))
        np.testing.assert_allclose(np.asarray(upper(halfway, training=False)), whole, atol=1e-4)
    assert sizes == sorted(sizes, reverse=True)


def test_a_network_cannot_be_cut_inside_a_block() -> None:
    with pytest.raises(StageLensError, match="no layer 'layer1_0_conv1' for heatmaps; this network has relu, "):
        split_at(lively(), "layer1_0_conv1")


def test_the_gradient_behind_the_target_layer_is_the_closed_form_of_pooling_and_one_dense_layer() -> None:
    network = lively()
    lower, upper = split_at(network, network.target_layer)
    feature_map = np.asarray(lower(scans_for(network.recipe), training=False))
    logits, gradient = compile_gradient(upper)(feature_map, np.array([2, 0]))
    assert is_linear_head(network)
    for row, index in enumerate((2, 0)):
        cells = feature_map.shape[1] * feature_map.shape[2]
        expected = np.broadcast_to(head_kernel(network)[:, index] / cells, gradient[row].shape)
        np.testing.assert_allclose(gradient[row], expected, atol=1e-7)
    np.testing.assert_allclose(logits, compile_forward(network)(scans_for(network.recipe)), atol=1e-4)


def test_input_gradients_agree_with_finite_differences() -> None:
    network = lively(head=Head(dense=(16,)))
    assert not is_linear_head(network)
    scans = scans_for(network.recipe, 1)
    _, gradient = compile_gradient(answering(network))(scans, np.array([1]))
    direction = np.random.default_rng(0).normal(size=scans.shape).astype(np.float32)
    step = 0.02
    moved = (scans + sign * step * direction for sign in (1, -1))
    ahead, behind = (np.asarray(answering(network)(scan, training=False))[0, 1] for scan in moved)
    assert (ahead - behind) / (2 * step) == pytest.approx(float((gradient * direction).sum()), rel=0.05)


def test_guided_backpropagation_lets_only_positive_evidence_back() -> None:
    x = keras.Input((1,))
    first = keras.layers.Dense(2, kernel_initializer=keras.initializers.Constant([[1.0, -1.0]]))(x)
    from core.networks.inference.submodels import GuidedReLU

    y = keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant([[-1.0], [1.0]]))(GuidedReLU()(first))
    run = compile_gradient(keras.Model(x, y))
    # At x = 1 only the first unit is active and speaks against; at x = −1 only the second, which speaks for.
    _, found = run(np.array([[1.0], [-1.0]], np.float32), np.array([0, 0]))
    np.testing.assert_allclose(found[:, 0], [0.0, -1.0])


def test_a_guided_network_answers_as_the_network_does() -> None:
    network = lively()
    model, count = guided(network)
    assert count == 5
    scans = scans_for(network.recipe)
    np.testing.assert_allclose(
        np.asarray(model(scans, training=False)), np.asarray(answering(network)(scans, training=False)), atol=1e-4
    )


@pytest.mark.parametrize("name", ["resnet18", "simple3dcnn"])
def test_the_fast_engine_gives_the_networks_own_answers(name: str) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    depth = {"depth": 32} if BACKBONES[name].dimensions == 3 else {}
    network = build_network(tiny_recipe(backbone=name, **depth))
    fast, slow = compile_body(network), compile_body(network, engine="keras")
    assert fast.engine == "openvino"
    scans = scans_for(network.recipe, 3)
    for found, expected in zip(fast.run(scans), slow.run(scans), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4 * max(1, np.abs(expected).max()))


def test_an_engine_with_other_answers_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.networks.inference import conversion

    network = lively()
    slow = compile_body(network, engine="keras").run
    monkeypatch.setattr(conversion, "_converted", lambda model: None)
    monkeypatch.setattr(conversion, "pass_of", lambda ready: lambda given: tuple(value + 1 for value in slow(given)))
    assert compile_body(network, engine="openvino").engine == "keras"


def test_openvino_tells_nobody_that_it_is_used(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    script = """
import sys
from core.networks.inference.conversion import compile_body
from core.networks.inference.folding import folded
from core.networks.architectures.network import build_network
from core.networks.recipe_files import read_recipe
print(compile_body(build_network(read_recipe("synthetic_ground_truth"))).engine, sys.modules["openvino_telemetry"])
"""
    home = {"HOME": str(tmp_path), "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    found = subprocess.run(
        [sys.executable, "-c", script], env=home, capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert found.stdout.split() == ["openvino", "None"]
    assert not (tmp_path / "intel").exists()


def test_randomising_runs_from_the_logits_down(tiny_bundle: Bundle) -> None:
    predictor = load_predictor(tiny_bundle, engine="keras")
    half, last = randomised(predictor, fraction=0.5)
    own, theirs = (one.network.whole.weights for one in (predictor, half))
    same = [np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(own, theirs, strict=True) if len(a.shape) > 1]
    assert same[0] is True
    assert same[-1] is False
    assert same == sorted(same, reverse=True)
    assert last
    everything, first = randomised(predictor)
    assert not np.array_equal(np.asarray(everything.network.whole.weights[0]), np.asarray(own[0]))
    assert first in predictor.network.whole.weights[0].path


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "resnet50",
        pytest.param("efficientnetb0", marks=pytest.mark.slow),
        pytest.param("densenet121", marks=pytest.mark.slow),
        "simple3dcnn",
    ],
)
def test_folding_batchnorm_changes_no_answer_and_no_gradient(name: str) -> None:
    depth = {"depth": 32} if BACKBONES[name].dimensions == 3 else {}
    network = build_network(tiny_recipe(backbone=name, **depth))
    for variable in network.features.weights:  # statistics as after training, not 0 and 1
        if variable.path.endswith(("moving_mean", "beta")):
            variable.assign(np.random.default_rng(0).normal(0, 0.1, variable.shape))
        if variable.path.endswith(("moving_variance", "gamma")):
            variable.assign(np.random.default_rng(1).uniform(0.7, 1.4, variable.shape))
    model = answering(network)
    copy = folded(model, network)
    norms = [layer for layer in copy.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(norms) < sum(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
    scans, classes = scans_for(network.recipe), np.array([1, 2])
    (logits, gradient), (expected, slow) = (compile_gradient(one)(scans, classes) for one in (copy, model))
    np.testing.assert_allclose(logits, expected, atol=5e-5 * max(1, np.abs(expected).max()))
    # A ReLU within rounding of its kink may fall on the other side, so single pixels may differ.
    assert np.linalg.norm(gradient - slow) < 0.01 * np.linalg.norm(slow)
