import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from skimage import data
from skimage.transform import resize

from core.errors import WeightsError
from core.networks.architectures.network import Floats, Network, build_network
from core.networks.weights.tensors import set_start_weights

from ...conftest import DATA, NO_SCANS, tiny_recipe

FILE = DATA / "weights" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"


@pytest.fixture(scope="module")
def pictures() -> Floats:
    """Four photographs, 224 × 224."""
    shown = (data.camera(), data.brick(), data.grass(), data.coins())
    return np.stack([resize(one.astype(np.float32), (224, 224), preserve_range=True) for one in shown])[..., None]


@pytest.fixture(scope="module")
def started(pictures: Floats) -> Network:
    """MobileNetV2 with the file's knowledge."""
    if not FILE.is_file():
        pytest.skip("the quantised MobileNetV2 is not there; set STAGELENS_DATA to try with it")
    pytest.importorskip("tensorflow")
    network = build_network(tiny_recipe(backbone="mobilenetv2", height=224, width=224, start="file"))
    assert "SHA-256 5d313724" in set_start_weights(network, FILE, pictures)
    return network


def test_the_embedding_is_the_files_own(started: Network, pictures: Floats) -> None:
    from tensorflow import lite

    with warnings.catch_warnings(action="ignore"):
        reader = lite.Interpreter(model_path=str(FILE), experimental_preserve_all_tensors=True)
    reader.allocate_tensors()
    pooled = next(one for one in reader.get_tensor_details() if "top/Reshape" in one["name"] and 1280 in one["shape"])
    scale, zero = pooled["quantization"]
    ours = keras.ops.convert_to_numpy(started.embedder(pictures, training=False))
    for picture, found in zip(pictures, ours, strict=True):
        reader.set_tensor(0, np.repeat(picture[None], 3, axis=-1).round().astype(np.uint8))
        reader.invoke()
        expected = (reader.get_tensor(pooled["index"]).astype(np.float32).ravel() - zero) * scale
        assert np.corrcoef(expected, found)[0, 1] > 0.99  # what is left is rounding to int8, layer by layer
        assert found.mean() == pytest.approx(expected.mean(), rel=0.1)


def test_training_normalises_without_forgetting(started: Network, pictures: Floats) -> None:
    steady, by_batch = (keras.ops.convert_to_numpy(started.embedder(pictures, training=mode)) for mode in (False, True))
    np.testing.assert_allclose(by_batch, steady, atol=0.02 * steady.max())


def test_no_other_file_is_opened_and_no_other_network_filled(tmp_path: Path, pictures: Floats) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(b"TFL3" * 100)
    network = build_network(tiny_recipe(backbone="mobilenetv2", start="file"))
    with pytest.raises(WeightsError, match=r"other.tflite is not google-coral's .* not opened"):
        set_start_weights(network, other, NO_SCANS)
    with pytest.raises(WeightsError, match="there is no weights file"):
        set_start_weights(network, tmp_path / "none.tflite", NO_SCANS)
    if FILE.is_file():
        with pytest.raises(WeightsError, match="holds weights of MobileNetV2, but this network is not"):
            set_start_weights(build_network(tiny_recipe(backbone="resnet50")), FILE, pictures)
