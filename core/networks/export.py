"""Networks in the formats of other programs. Nothing written here is ever read back."""

import logging
import warnings
from pathlib import Path

import keras
import numpy as np

from core.errors import BundleError
from core.networks.architectures.network import Network
from core.networks.backend import backend_name

ONNX_OPSET = 17


def save_keras(network: Network, path: Path) -> None:
    """Write Keras' own file (.keras): grey scans N × H × W × 1 of any size in, logits out.

    Inference is written into it: Keras' resizing layer has `training=True` for a default, which spreads to the
    BatchNorm behind it (seen in Keras 3.15) when somebody calls a model without saying `training=False`.
    """
    scan = keras.Input(network.features.input_shape[1:], name="grey_scan")
    keras.Model(scan, network.whole(scan, training=False), name=network.whole.name).save(path)


def save_onnx(network: Network, path: Path) -> None:
    """Write ONNX: grey scans N × height × width × 1 at the recipe's size in [0, 255] in, logits out.

    ONNX has no resizing that agrees with Keras' to the last digit, so the caller brings scans to size, with their
    aspect kept and black added.

    Raises:
        BundleError: The ONNX converter is not installed.
    """
    shape = network.input_shape
    scan = keras.Input(shape, name="grey_scan")
    sized = keras.Model(scan, network.head(_after_fit(network)(scan)))
    signature = [keras.InputSpec(shape=(None, *shape), dtype="float32", name="grey_scan")]
    sized(np.zeros((1, *shape), np.float32))  # Keras exports only what was called once
    warnings.filterwarnings("ignore", message=".*np.object.*", category=FutureWarning)  # of Keras' exporter
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    try:
        sized.export(path, format="onnx", opset_version=ONNX_OPSET, verbose=False, input_signature=signature)
    except ImportError as error:
        raise BundleError(f"ONNX export with {backend_name()} needs the packages onnx and tf2onnx.") from error


def _after_fit(network: Network) -> keras.Model:
    """Return the feature extractor without its resizing layer, sharing its weights."""
    if network.recipe.depth is not None:
        return network.features
    fitted = network.features.get_layer("fit").output
    return keras.Model(fitted, network.features.output, name="features_at_size")
