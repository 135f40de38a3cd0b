import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from core.backend_choice import is_installed
from core.errors import RecipeError, StageLensError, WeightsError
from core.networks.architectures.backbones import BACKBONES, UNIT_RANGE, Backbone, register
from core.networks.architectures.freezing import freeze_for
from core.networks.architectures.geometry import fit_size
from core.networks.architectures.network import Network, build_network
from core.networks.recipe import Phase, Recipe
from core.networks.recipe_files import read_recipe, recipe_names, with_settings
from core.networks.weights.storage import save_tensors
from core.networks.weights.tensors import assign, from_torch_layout, set_start_weights, tensors_of, weights_hash

from ... import tiny as _tiny  # noqa: F401 - makes the tiny networks known
from ...conftest import NO_SCANS, ROOT, tiny_recipe

TWO_D = [
    name
    for name, backbone in BACKBONES.items()
    if backbone.dimensions == 2 and name != "tiny" and "by_hand" not in name
]
THREE_D = [name for name, backbone in BACKBONES.items() if backbone.dimensions == 3]


def small(name: str, **changes: object) -> Recipe:
    backbone = BACKBONES[name]
    depth = backbone.smallest if backbone.dimensions == 3 else None
    sides = {"height": backbone.smallest, "width": backbone.smallest, "depth": depth}
    return tiny_recipe(backbone=name, **sides, **changes)


@pytest.mark.parametrize("name", TWO_D)
def test_a_2d_backbone_with_imagenets_classifier_has_the_published_number_of_weights(name: str) -> None:
    features = build_network(small(name)).features
    classifier = (features.output_shape[-1] + 1) * 1000
    millions = (features.count_params() + classifier) / 1e6
    assert millions == pytest.approx(BACKBONES[name].parameters, rel=0.02)


@pytest.mark.parametrize("name", THREE_D)
@pytest.mark.parametrize("depth", [None, 128])
def test_a_3d_network_has_the_published_number_of_weights_at_any_depth(name: str, depth: int | None) -> None:
    recipe = small(name)
    recipe = replace(recipe, depth=depth or recipe.depth)
    network = build_network(recipe)
    assert network.whole.input_shape == (None, recipe.depth, recipe.height, recipe.width, 1)
    assert network.whole.count_params() / 1e6 == pytest.approx(BACKBONES[name].parameters, rel=0.1)


@pytest.mark.parametrize("name", ["alzheimer_tissue_age", "baseline_pixels_logistic"])
def test_a_recipe_without_a_network_says_so(name: str) -> None:
    with pytest.raises(StageLensError, match="and no network: it has no layers or phases"):
        build_network(read_recipe(name))


def test_a_shipped_recipe_for_volumes_has_the_weights_of_its_backbone() -> None:
    recipes = [recipe for recipe in map(read_recipe, recipe_names()) if recipe.depth and recipe.phases]
    assert {recipe.backbone for recipe in recipes} >= {"simple3dcnn", "resnet3d", "resnet3d_small"}
    for recipe in recipes:
        network = build_network(recipe)
        assert network.whole.input_shape == (None, recipe.depth, recipe.height, recipe.width, 1)
        published = BACKBONES[recipe.backbone].parameters
        assert network.whole.count_params() / 1e6 == pytest.approx(published, rel=0.1)


@pytest.mark.parametrize("name", [*TWO_D, *THREE_D])
def test_the_layers_a_backbone_names_are_there_and_the_last_block_is_its_end(name: str) -> None:
    recipe = small(name)
    network = build_network(recipe)
    assert network.features.layers[-1].name == network.target_layer
    freeze_for(network, Phase("last_block", 1e-3, 1, 1))
    trained = [layer for layer in network.features.layers if layer.trainable and layer.trainable_weights]
    everything = [layer for layer in network.features.layers if layer.weights]
    assert 0 < len(trained) < len(everything)
    assert trained == everything[-len(trained) :]


def test_weights_have_the_same_names_however_many_networks_were_built_before() -> None:
    """Keras numbers InceptionV3's unnamed layers through the whole process."""
    first, second = (build_network(small("inceptionv3", seed=seed)) for seed in (1, 2))
    assert {variable.path for variable in first.whole.weights} != {variable.path for variable in second.whole.weights}
    tensors = tensors_of(first.whole.weights)
    assert "conv2d_0/kernel" in tensors
    assign(second.whole.weights, tensors, "first")
    assert weights_hash(first) == weights_hash(second)


def test_freezing_batch_norm_keeps_its_means_while_the_rest_trains() -> None:
    network = build_network(tiny_recipe())
    freeze_for(network, Phase("all", 1e-3, 1, 1, batch_norm="freeze"))
    norms = [layer for layer in network.features.layers if isinstance(layer, keras.layers.BatchNormalization)]
    before = np.asarray(norms[0].moving_mean)
    network.whole.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    kernels = [np.asarray(variable) for variable in network.whole.trainable_variables]
    network.whole.train_on_batch(np.random.default_rng(0).uniform(0, 255, (4, 48, 40, 1)), np.arange(4))
    np.testing.assert_array_equal(np.asarray(norms[0].moving_mean), before)
    after = [np.asarray(variable) for variable in network.features.trainable_variables]
    assert any(np.abs(one - other).max() > 0 for one, other in zip(kernels, after, strict=False))


def test_training_from_a_named_layer_leaves_what_comes_before() -> None:
    network = build_network(tiny_recipe())
    freeze_for(network, Phase("from_layer", 1e-3, 1, 1, from_layer="layer2_0_conv1"))
    names = [layer.name for layer in network.features.layers if layer.trainable]
    assert names[0] == "layer2_0_conv1"
    with pytest.raises(RecipeError, match="no layer 'nowhere'"):
        freeze_for(network, Phase("from_layer", 1e-3, 1, 1, from_layer="nowhere"))


def test_efficientnets_own_normalisation_stays_neutral_whatever_a_file_says(tmp_path: Path) -> None:
    """With ImageNet's weights it would normalise what our preprocessing has normalised already."""
    recipe = small("efficientnetb0")
    source = build_network(recipe)
    tensors = {name: np.asarray(value) for name, value in tensors_of(source.features.weights).items()}
    tensors |= {name: value + 3 for name, value in tensors.items() if name.startswith("normalization")}
    assert any(name.startswith("normalization") for name in tensors)
    save_tensors(tmp_path / "w.safetensors", tensors)
    network = build_network(replace(recipe, start="file"))
    set_start_weights(network, tmp_path / "w.safetensors", NO_SCANS)
    scans = np.random.default_rng(1).uniform(0, 255, (1, 32, 32, 1)).astype(np.float32)
    expected = np.asarray(source.features(scans, training=False))
    np.testing.assert_allclose(np.asarray(network.features(scans, training=False)), expected, atol=1e-5)


def torch_layout(network: Network) -> dict[str, np.ndarray]:
    """Write a ResNet18 as torchvision and timm do: dotted names, kernels out × in × height × width."""
    kinds = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    tensors = {}
    for name, value in tensors_of(network.features.weights).items():
        layer, kind = name.split("/")
        stage = layer.startswith("layer")
        parts = layer.split("_", 2) if stage else [layer]
        dotted = ".".join([*parts[:-1], parts[-1].replace("downsample_", "downsample.")])
        turned = value.transpose(3, 2, 0, 1) if kind == "kernel" else value
        tensors[f"{dotted}.{kinds.get(kind, 'weight')}"] = np.ascontiguousarray(turned)
    return {
        **tensors,
        "fc.weight": np.zeros((1000, 512), np.float32),
        "bn1.num_batches_tracked": np.zeros((), np.int64),
    }


def test_resnet18_starts_from_a_file_laid_out_as_torch_does(tmp_path: Path) -> None:
    source = build_network(small("resnet18", seed=5))
    tensors = torch_layout(source)
    assert tensors["layer2.0.downsample.0.weight"].shape == (128, 64, 1, 1)
    assert from_torch_layout(tensors).keys() == tensors_of(source.features.weights).keys()
    save_tensors(tmp_path / "resnet18.safetensors", tensors)
    network = build_network(small("resnet18", seed=6, start="imagenet"))
    set_start_weights(network, tmp_path / "resnet18.safetensors", NO_SCANS)
    assert weights_hash(network) == weights_hash(source)
    with pytest.raises(WeightsError, match=r"Keras has no ImageNet weights of ResNet18\. Download resnet18"):
        set_start_weights(network, None, NO_SCANS)


@pytest.mark.skipif(not is_installed("torch"), reason="PyTorch is not installed; see requirements-backends.txt")
@pytest.mark.slow
def test_resnet18_computes_what_torch_computes() -> None:
    """The stem and a block with stride, in PyTorch, on the same weights: same padding, same BatchNorm."""
    code = """
import os, sys
os.environ["KERAS_BACKEND"] = "torch"
import numpy as np, torch, torch.nn.functional as F
from core.networks.architectures.network import build_network
from core.networks.recipe_files import read_recipe, with_settings
from core.networks.weights.tensors import tensors_of
import keras
network = build_network(with_settings(read_recipe("s4_resnet18"), ["height=64", "width=48"]))
w = {n: torch.tensor(np.asarray(v)) for n, v in tensors_of(network.features.weights).items()}
def conv(x, n, s):
    k = w[n + "/kernel"].permute(3, 2, 0, 1)
    return F.conv2d(x, k, stride=s, padding=k.shape[-1] // 2)
def norm(x, n):
    return F.batch_norm(x, w[n + "/moving_mean"], w[n + "/moving_variance"], w[n + "/gamma"], w[n + "/beta"], eps=1e-5)
def block(x, n, s):
    short = norm(conv(x, n + "_downsample_0", s), n + "_downsample_1") if n + "_downsample_0/kernel" in w else x
    y = F.relu(norm(conv(x, n + "_conv1", s), n + "_bn1"))
    return F.relu(norm(conv(y, n + "_conv2", 1), n + "_bn2") + short)
scans = np.random.default_rng(0).uniform(0, 255, (2, 64, 48, 1)).astype(np.float32)
centred = keras.Model(network.features.input, network.features.get_layer("centre").output)(scans, training=False)
x = centred.permute(0, 3, 1, 2)
x = F.max_pool2d(F.relu(norm(conv(x, "conv1", 2), "bn1")), 3, 2, 1)
for stage in range(1, 5):
    for b in range(2):
        x = block(x, f"layer{stage}_{b}", 2 if stage > 1 and b == 0 else 1)
ours = network.features(scans, training=False)
assert torch.allclose(x.permute(0, 2, 3, 1), ours, atol=1e-4), (x.permute(0, 2, 3, 1) - ours).abs().max()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_made_up_backbone_and_recipe_take_one_registration_and_one_toml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.networks.architectures.backbones.BACKBONES", BACKBONES)

    def build(x: object) -> object:
        return keras.layers.Conv2D(4, 3, strides=8, activation="relu", name="only")(x)

    layers = {"target_layer": "only", "last_block": "only"}
    register(Backbone("made_up", "Made up", build, UNIT_RANGE, **layers, parameters=0.001))
    try:
        (tmp_path / "mine.toml").write_text(
            'name = "mine"\ntitle = "Mine"\ntask = "tumour"\nbackbone = "made_up"\nheight = 40\nwidth = 32\n'
            'start = "scratch"\n[[phases]]\ntrains = "all"\nlearning_rate = 1e-3\nepochs = 1\npatience = 1\n'
        )
        network = build_network(read_recipe(tmp_path / "mine.toml"))
        assert network.whole(np.zeros((1, 40, 32, 1), np.float32), training=False).shape == (1, 4)
        with pytest.raises(ValueError, match="two backbones are called 'made_up'"):
            register(BACKBONES["made_up"])
    finally:
        BACKBONES.pop("made_up")


def test_sides_a_backbone_cannot_take_are_rejected() -> None:
    for settings, said in (
        (["height=70"], "inceptionv3 needs at least 75 pixels per side"),
        (["depth=32"], "inceptionv3 takes no depth"),
        (['backbone="resnet3d"'], "resnet3d needs a depth"),
    ):
        with pytest.raises(RecipeError, match=said):
            with_settings(read_recipe("s3_inceptionv3"), settings)


def test_a_volume_of_any_size_is_stretched_to_the_networks() -> None:
    recipe = small("simple3dcnn")
    ramp = np.broadcast_to(np.linspace(0, 200, 64, dtype=np.float32)[:, None, None], (64, 50, 40))
    inputs = fit_size(recipe, [ramp])
    assert inputs.shape == (1, 32, 32, 32, 1)
    assert np.all(np.diff(inputs[0, :, 16, 16, 0]) > 0)
    np.testing.assert_array_equal(fit_size(recipe, [inputs[0, ..., 0]]), inputs)
