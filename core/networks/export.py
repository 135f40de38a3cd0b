"""Networks exported to the formats of other programs. These files are never read back."""

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

    Inference mode is fixed in it: `training=True` is the default of Keras' resizing layer, and it spreads to the
    BatchNorm layers after it (seen in Keras 3.15) when a model is called without `training=False`.
    """
    scan = keras.Input(network.features.input_shape[1:], name="grey_scan")
    keras.Model(scan, network.whole(scan, training=False), name=network.whole.name).save(path)


def save_onnx(network: Network, path: Path) -> None:
    """Write ONNX: grey scans N × height × width × 1 in [0, 255], at the recipe's size, in; logits out.

    No ONNX operator resizes exactly as Keras does, so the caller resizes scans, with the aspect ratio kept and black
    padding.

    Raises:
        BundleError: The ONNX converter is not installed.
    """
    shape = network.input_shape
    scan = keras.Input(shape, name="grey_scan")
    sized = keras.Model(scan, network.head(_after_fit(network)(scan)))
    signature = [keras.InputSpec(shape=(None, *shape), dtype="float32", name="grey_scan")]
    sized(np.zeros((1, *shape), np.float32))  # Keras exports only models that have been called
    warnings.filterwarnings("ignore", message=".*np.object.*", category=FutureWarning)  # from Keras' exporter
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    try:
        sized.export(path, format="onnx", opset_version=ONNX_OPSET, verbose=False, input_signature=signature)
    except ImportError as error:
        raise BundleError(f"ONNX export with {backend_name()} needs the packages onnx and tf2onnx.") from error


def _after_fit(network: Network) -> keras.Model:
    """Return the feature extractor without its resizing layer, sharing its weights."""
    if network.recipe.depth is not None:
        return network.features
    resized = network.features.get_layer("fit").output
    return keras.Model(resized, network.features.output, name="features_at_size")
