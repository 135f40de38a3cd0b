"""Weights as data: safetensors in and out, and the start weights of a recipe."""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from core.errors import WeightsError
from core.networks.backbones import BACKBONES
from core.networks.network import Network

Tensors = Mapping[str, NDArray[np.generic]]


def tensors_of(variables: Iterable[keras.Variable]) -> dict[str, NDArray[np.generic]]:
    """Return the values of Keras variables by their paths, such as "conv1_conv/kernel"."""
    tensors: dict[str, NDArray[np.generic]] = {}
    for variable in variables:
        if variable.path in tensors:
            raise WeightsError(f"two variables are called {variable.path}.")
        tensors[variable.path] = keras.ops.convert_to_numpy(variable)
    return tensors


def assign(variables: Iterable[keras.Variable], tensors: Tensors, source: str) -> None:
    """Put tensors into Keras variables of the same paths, all of them or none.

    Raises:
        WeightsError: A tensor is missing, has another shape, or holds values that are no numbers.
    """
    wanted = list(variables)
    for variable in wanted:
        value = tensors.get(variable.path)
        if value is None:
            raise WeightsError(f"{source} does not fit this network: it has no tensor {variable.path}.")
        if tuple(value.shape) != tuple(variable.shape):
            raise WeightsError(
                f"{source} does not fit this network: {variable.path} has shape {tuple(value.shape)}, "
                f"expected {tuple(variable.shape)}."
            )
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise WeightsError(f"{source} is damaged: {variable.path} holds values that are no numbers.")
    for variable in wanted:
        variable.assign(tensors[variable.path].astype(variable.dtype))


def save_tensors(path: Path, tensors: Tensors, *, note: str = "") -> None:
    """Write tensors as safetensors; a kill at any moment leaves the old file or the new one, never a half."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    contiguous = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    save_file(contiguous, unfinished, metadata={"note": note})
    with unfinished.open("rb+") as stream:
        os.fsync(stream.fileno())
    unfinished.chmod(0o644)  # safetensors writes files that only their owner can read
    unfinished.replace(path)


def load_tensors(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read a safetensors file.

    Raises:
        WeightsError: There is no such file, or it is damaged.
    """
    try:
        tensors: dict[str, NDArray[np.generic]] = load_file(path)
    except FileNotFoundError as error:
        raise WeightsError(f"there is no weights file {path}.") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"{path.name} is damaged or no safetensors file.") from error
    return tensors


def set_start_weights(network: Network, file: Path | None) -> str:
    """Give a fresh network the start its recipe asks for.

    Args:
        network: As `build_network` made it; from "scratch" it stays so.
        file: Start weights on disk, for "imagenet" too when there is no network: a Keras `.h5` file of the backbone
            without its classifier, or a `.safetensors` file of one of our bundles (its head is not used).

    Returns:
        What the network started from, in words, with the file's SHA-256 where there is a file.

    Raises:
        WeightsError: The weights cannot be had, or do not fit.
    """
    start = network.recipe.start
    if file is not None:
        _load_backbone(network, file)
        return f"{file.name} (SHA-256 {hashlib.sha256(file.read_bytes()).hexdigest()})"
    if start == "file":
        raise WeightsError("this recipe starts from a file; give it with --weights FILE.")
    if start == "imagenet":
        _download_imagenet(network)
        return "ImageNet (downloaded by Keras)"
    return f"random weights, seed {network.recipe.seed}"


def _load_backbone(network: Network, file: Path) -> None:
    if file.suffix == ".safetensors":
        assign(network.features.weights, load_tensors(file), file.name)
        return
    if file.suffix != ".h5":
        raise WeightsError(f"{file.name} is neither .h5 (Keras) nor .safetensors; models as objects are not opened.")
    if not file.is_file():
        raise WeightsError(f"there is no weights file {file}.")
    try:
        network.features.load_weights(file)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{file.name} does not fit {network.recipe.backbone}: {reason}") from error


def _download_imagenet(network: Network) -> None:
    backbone = BACKBONES[network.recipe.backbone]
    application = getattr(keras.applications, backbone.application)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # where Keras announces the download; JSON goes to the other
            trained = application(include_top=False, weights="imagenet", input_shape=(224, 224, 3))
    except Exception as error:
        if not isinstance(error, OSError) and "fetch failure" not in str(error):
            raise
        raise WeightsError(
            f"the ImageNet weights of {backbone.application} cannot be downloaded. Fetch {backbone.weights_file} from "
            'the Keras applications page by hand and give it with --weights FILE, or set start = "scratch".'
        ) from error
    assign(network.features.weights, tensors_of(trained.weights), "ImageNet weights")
