from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from core.errors import WeightsError
from core.networks.architectures.backbones import BACKBONES
from core.networks.architectures.geometry import fit_of
from core.networks.architectures.network import build_network
from core.networks.backend import compile_forward
from core.networks.recipe import Augmentation
from core.networks.weights.storage import load_tensors, save_tensors
from core.networks.weights.tensors import assign, set_start_weights, tensors_of

from ...conftest import NO_SCANS, tiny_recipe


def test_resnet50_has_the_published_number_of_parameters() -> None:
    network = build_network(tiny_recipe(backbone="resnet50", height=64, width=64))
    assert network.features.count_params() == 23_587_712  # keras.applications.ResNet50 without its top
    assert network.features.output_shape[1:] == (2, 2, 2048)
    assert network.target_layer == "conv5_block3_out"


def test_the_input_pipeline_is_keras_own_preprocessing() -> None:
    network = build_network(tiny_recipe(backbone="resnet50", height=48, width=48))
    grey = np.random.default_rng(0).uniform(0, 255, (1, 48, 48, 1)).astype(np.float32)
    centred = keras.Model(network.features.input, network.features.get_layer("centre").output)(grey)
    expected = keras.applications.resnet.preprocess_input(np.repeat(grey, 3, axis=-1))
    np.testing.assert_allclose(np.asarray(centred), expected, atol=1e-4)


def test_a_scan_of_any_size_gives_the_logits_of_the_scan_at_size() -> None:
    network = build_network(tiny_recipe())
    forward = compile_forward(network)
    grey = np.random.default_rng(1).uniform(0, 255, (130, 90)).astype(np.float32)
    at_size = forward(network.fit_size([grey]))
    np.testing.assert_allclose(forward(grey[None, ..., None]), at_size, atol=1e-4)


def test_a_batch_of_n_is_n_of_one() -> None:
    forward = compile_forward(build_network(tiny_recipe()))
    scans = np.random.default_rng(2).uniform(0, 255, (3, 48, 40, 1)).astype(np.float32)
    one_by_one = np.concatenate([forward(scan[None]) for scan in scans])
    np.testing.assert_allclose(forward(scans), one_by_one, atol=1e-4)


@pytest.mark.parametrize("shape", [(60, 200), (200, 60), (48, 40), (97, 83)])
def test_the_padding_is_where_the_geometry_says(shape: tuple[int, int]) -> None:
    network = build_network(tiny_recipe())
    fit = fit_of(shape, (48, 40))
    seen = network.fit_size([np.full(shape, 255, np.float32)])[0, ..., 0] > 127
    rows, columns = np.nonzero(seen.any(axis=1))[0], np.nonzero(seen.any(axis=0))[0]
    assert abs(rows[0] - fit.top * 48 / fit.canvas_height) <= 1
    assert abs(rows[-1] + 1 - (fit.top + shape[0]) * 48 / fit.canvas_height) <= 1
    assert abs(columns[0] - fit.left * 40 / fit.canvas_width) <= 1
    assert abs(columns[-1] + 1 - (fit.left + shape[1]) * 40 / fit.canvas_width) <= 1


@pytest.mark.parametrize("shape", [(208, 176), (128, 128), (30, 25), (97, 210), (300, 40), (48, 40), (49, 40)])
def test_scans_are_resized_as_the_networks_first_layer_does(shape: tuple[int, int]) -> None:
    network = build_network(tiny_recipe())
    first = keras.Model(network.features.input, network.features.get_layer("fit").output)
    grey = np.random.default_rng(5).uniform(0, 255, shape).astype(np.float32)
    expected = np.asarray(first(grey[None, ..., None]))
    np.testing.assert_allclose(network.fit_size([grey]), expected, atol=2e-3)


def test_augmentation_acts_while_training_only() -> None:
    augmentation = Augmentation(rotation_degrees=15, shift=0.1, flip_horizontal=True, flip_vertical=True)
    network = build_network(tiny_recipe(augmentation=augmentation), for_training=True)
    scan = np.random.default_rng(3).uniform(0, 255, (1, 48, 40, 1)).astype(np.float32)
    before_backbone = keras.Model(network.features.input, network.features.get_layer("centre").output)
    still, again = before_backbone(scan, training=False), before_backbone(scan, training=False)
    np.testing.assert_array_equal(np.asarray(still), np.asarray(again))
    assert np.abs(np.asarray(before_backbone(scan, training=True)) - np.asarray(still)).max() > 1


def test_weights_survive_safetensors(tmp_path: Path) -> None:
    first, second = build_network(tiny_recipe(seed=1)), build_network(tiny_recipe(seed=2))
    save_tensors(tmp_path / "w.safetensors", tensors_of(first.whole.weights))
    assign(second.whole.weights, load_tensors(tmp_path / "w.safetensors"), "w")
    for one, other in zip(first.whole.weights, second.whole.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_weights_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    network = build_network(tiny_recipe())
    tensors = tensors_of(network.whole.weights)
    before = {name: value.copy() for name, value in tensors.items()}
    last = list(tensors)[-2]
    for wrong, said in (
        ({name: value for name, value in tensors.items() if name != last}, "no tensor"),
        ({**tensors, last: tensors[last][:1]}, "has shape"),
        ({**tensors, last: tensors[last] * np.nan}, "not numbers"),
    ):
        with pytest.raises(WeightsError, match=said):
            assign(network.whole.weights, wrong, "w")
    for name, value in tensors_of(network.whole.weights).items():
        np.testing.assert_array_equal(value, before[name])
    (tmp_path / "w.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(WeightsError, match="damaged"):
        load_tensors(tmp_path / "w.safetensors")


def test_a_bundle_gives_its_backbone_to_another_task(tmp_path: Path) -> None:
    tumour = build_network(tiny_recipe(task="tumour", seed=8))
    save_tensors(tmp_path / "w.safetensors", tensors_of(tumour.whole.weights))
    network = build_network(tiny_recipe(start="file"))
    start = set_start_weights(network, tmp_path / "w.safetensors", NO_SCANS)
    assert start.startswith("w.safetensors (SHA-256 ")
    for one, other in zip(tumour.features.weights, network.features.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_a_keras_weights_file_as_imagenet_has_it_is_read_but_not_one_with_nan(tmp_path: Path) -> None:
    """The file is laid out as Keras' own ImageNet files are: one group per layer, by h5py."""
    recipe = tiny_recipe(backbone="resnet50", height=48, width=48, start="imagenet")
    source = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(48, 48, 3))
    path = tmp_path / BACKBONES["resnet50"].weights_file
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in source.layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.0.6"
        for layer in source.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                group.create_dataset(name, data=np.asarray(weight))
    network = build_network(recipe)
    set_start_weights(network, path, NO_SCANS)
    kernel = np.asarray(source.get_layer("conv3_block2_2_conv").kernel)
    np.testing.assert_array_equal(np.asarray(network.features.get_layer("conv3_block2_2_conv").kernel), kernel)
    with h5py.File(path, "a") as file:
        file["conv2_block1_1_conv/conv2_block1_1_conv/kernel:0"][0, 0, 0, 0] = np.nan
    with pytest.raises(WeightsError, match="holds values that are not numbers"):
        set_start_weights(network, path, NO_SCANS)
    assert all(np.isfinite(np.asarray(weight)).all() for weight in network.features.weights)


def test_start_weights_that_cannot_be_obtained_say_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="--weights FILE"):
        set_start_weights(build_network(tiny_recipe(start="file")), None, NO_SCANS)
    with pytest.raises(WeightsError, match="models as objects are not opened"):
        set_start_weights(build_network(tiny_recipe()), tmp_path / "model.keras", NO_SCANS)
    with pytest.raises(WeightsError, match="there is no weights file"):
        set_start_weights(build_network(tiny_recipe()), tmp_path / "w.h5", NO_SCANS)

    def offline(**_: object) -> None:
        raise Exception("URL fetch failure on https://example.invalid: None -- no route")

    of_keras = replace(BACKBONES["tiny"], name="offline", application="MobileNetV2", weights_file="x.h5")
    monkeypatch.setitem(BACKBONES, "offline", of_keras)
    network = build_network(tiny_recipe(backbone="offline", start="imagenet"))
    monkeypatch.setattr(keras.applications, "MobileNetV2", offline)
    with pytest.raises(WeightsError, match=r"cannot be downloaded. Download x.h5 .* set start = \"scratch\""):
        set_start_weights(network, None, NO_SCANS)
