"""Weights as data: reading and writing safetensors, and the start weights of a recipe."""

import contextlib
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from core.errors import WeightsError
from core.networks.architectures.backbones import BACKBONES
from core.networks.architectures.network import Network
from core.networks.weights.packaged import IMAGENET
from core.networks.weights.quantised import start_from_quantised
from core.networks.weights.storage import Tensors, load_tensors, note_of

UNNAMED = re.compile(r"(conv2d|batch_normalization|normalization|dense)(?:_\d+)?")


def names_of(variables: Iterable[keras.Variable]) -> list[str]:
    """Return names such as "conv1_conv/kernel" for Keras variables, the same in every process.

    Keras numbers unnamed layers (all of InceptionV3's) across the whole process; here they are numbered from 0 within
    the network, in its order.

    Raises:
        WeightsError: Two variables have the same name.
    """
    numbers: dict[str, dict[str, int]] = {}
    names = []
    for variable in variables:
        layer, _, rest = variable.path.partition("/")
        unnamed = UNNAMED.fullmatch(layer)
        if unnamed:
            kind = numbers.setdefault(unnamed[1], {})
            layer = f"{unnamed[1]}_{kind.setdefault(layer, len(kind))}"
        names.append(f"{layer}/{rest}")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise WeightsError(f"two variables are called {twice[0]}.")
    return names


def tensors_of(variables: Iterable[keras.Variable]) -> dict[str, NDArray[np.generic]]:
    """Return the values of Keras variables by their names."""
    listed = list(variables)
    values = (keras.ops.convert_to_numpy(variable) for variable in listed)
    return dict(zip(names_of(listed), values, strict=True))


def assign(variables: Iterable[keras.Variable], tensors: Tensors, source: str) -> None:
    """Assign tensors to Keras variables of the same names, all of them or none.

    Raises:
        WeightsError: A tensor is missing, has another shape, or holds values that are not numbers.
    """
    wanted = list(variables)
    names = names_of(wanted)
    for name, variable in zip(names, wanted, strict=True):
        value = tensors.get(name)
        if value is None:
            raise WeightsError(f"{source} does not fit this network: it has no tensor {name}.")
        if tuple(value.shape) != tuple(variable.shape):
            raise WeightsError(
                f"{source} does not fit this network: {name} has shape {tuple(value.shape)}, "
                f"expected {tuple(variable.shape)}."
            )
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise WeightsError(f"{source} is damaged: {name} holds values that are not numbers.")
    for name, variable in zip(names, wanted, strict=True):
        variable.assign(tensors[name].astype(variable.dtype))


def set_start_weights(network: Network, file: Path | None, scans: NDArray) -> str:
    """Load the start weights that a recipe asks for into a new network.

    Args:
        network: As `build_network` made it; with "scratch" it is not changed.
        file: Start weights on disk, also for "imagenet" without internet access: a Keras `.h5` file of the backbone
            without its classifier, a `.safetensors` file of one of our bundles (its head is not used), of
            `core.networks.weights.packaged` or, for ResNet18, of timm, or for MobileNetV2 the `.tflite` file of
            `core.networks.weights.quantised`.
        scans: N × height × width × 1 of the training scans, from which the BatchNorms of a quantised file get their
            statistics.

    Returns:
        What the network started from, in words, with the SHA-256 of a file.

    Raises:
        WeightsError: The weights cannot be obtained, or do not fit.
    """
    start = network.recipe.start
    if file is not None:
        _load_backbone(network, file, scans)
        _keep_neutral(network.features)
        known = f"{file.name} (SHA-256 {hashlib.sha256(file.read_bytes()).hexdigest()})"
        return f"ImageNet, {known}" if IMAGENET in note_of(file) else known
    if start == "file":
        raise WeightsError("this recipe starts from a file; give it with --weights FILE.")
    if start == "imagenet":
        _download_imagenet(network)
        _keep_neutral(network.features)
        return "ImageNet (downloaded by Keras)"
    return f"random weights, seed {network.recipe.seed}"


def weights_hash(network: Network) -> str:
    """Return the SHA-256 of a network's backbone."""
    digest = hashlib.sha256()
    for name, value in tensors_of(network.features.weights).items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def from_torch_layout(tensors: Tensors) -> dict[str, NDArray[np.generic]]:
    """Rename and transpose the tensors of a torchvision or timm ResNet to ours, without its classifier.

    Args:
        tensors: Such as "layer1.0.conv1.weight", out × in × height × width.

    Returns:
        Such as "layer1_0_conv1/kernel", height × width × in × out.
    """
    kinds = {"bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    ours = {}
    for name, value in tensors.items():
        *path, kind = name.split(".")
        if path[0] == "fc" or kind == "num_batches_tracked":
            continue
        if kind == "weight":
            kind = "kernel" if value.ndim > 1 else "gamma"
        turned = np.ascontiguousarray(value.transpose(2, 3, 1, 0)) if value.ndim == 4 else value
        ours[f"{'_'.join(path)}/{kinds.get(kind, kind)}"] = turned
    return ours


def _load_backbone(network: Network, file: Path, scans: NDArray) -> None:
    if file.suffix == ".tflite":
        start_from_quantised(network.features, file, scans)
        return
    if file.suffix == ".safetensors":
        tensors = load_tensors(file)
        assign(
            network.features.weights, from_torch_layout(tensors) if "conv1.weight" in tensors else tensors, file.name
        )
        return
    if file.suffix != ".h5":
        raise WeightsError(
            f"{file.name} is not .h5 (Keras), .safetensors or .tflite; models as objects are not opened."
        )
    if not file.is_file():
        raise WeightsError(f"there is no weights file {file}.")
    before = tensors_of(network.features.weights)
    try:
        network.features.load_weights(file)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{file.name} does not fit {network.recipe.backbone}: {reason}") from error
    loaded = tensors_of(network.features.weights)
    assign(network.features.weights, before, "what the network had")
    assign(network.features.weights, loaded, file.name)  # if it holds no numbers, nothing is changed


def _keep_neutral(features: keras.Model) -> None:
    """Reset EfficientNet's own normalisation after loading a file: our preprocessing does it already."""
    for layer in features.layers:
        if isinstance(layer, keras.layers.Normalization):
            for variable in layer.weights:
                variable.assign(keras.ops.full(variable.shape, float("variance" in variable.path)))
            layer.finalize_state()


def _download_imagenet(network: Network) -> None:
    backbone = BACKBONES[network.recipe.backbone]
    by_hand = (
        f"Download {backbone.weights_file or 'such a file'} from its source by hand and give it with --weights FILE, "
        'or set start = "scratch".'
    )
    if not backbone.application:
        raise WeightsError(f"Keras has no ImageNet weights of {backbone.title}. {by_hand}")
    application = getattr(keras.applications, backbone.application)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Keras announces the download; stdout is for JSON
            trained = application(include_top=False, weights="imagenet", input_shape=(224, 224, 3))
    except Exception as error:
        if not isinstance(error, OSError) and "fetch failure" not in str(error):
            raise
        raise WeightsError(f"the ImageNet weights of {backbone.title} cannot be downloaded. {by_hand}") from error
    assign(network.features.weights, tensors_of(trained.weights), "ImageNet weights")
