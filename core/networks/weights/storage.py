"""Tensors on disk, as safetensors: read and written without any network library."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from core.errors import WeightsError
from core.files import check_file, replacing

Tensors = Mapping[str, NDArray[np.generic]]


def save_tensors(path: Path, tensors: Tensors, *, note: str = "") -> None:
    """Write tensors as safetensors, atomically: if interrupted, the old file stays."""
    contiguous = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    with replacing(path) as unfinished:
        save_file(contiguous, unfinished, metadata={"note": note})
        unfinished.chmod(0o644)  # safetensors makes files readable by their owner only


def load_tensors(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read a safetensors file.

    Raises:
        WeightsError: There is no such file, or it is damaged.
    """
    try:
        check_file(path)
        tensors: dict[str, NDArray[np.generic]] = load_file(path)
    except FileNotFoundError as error:
        raise WeightsError(f"there is no weights file {path}.") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"{path.name} is damaged or not a safetensors file.") from error
    return tensors


def load_tensor(path: Path, name: str) -> NDArray[np.generic]:
    """Read one tensor of a safetensors file.

    Raises:
        WeightsError: There is no such file or tensor, or the file is damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            tensor: NDArray[np.generic] = file.get_tensor(name)
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"{path.name} holds no tensor {name} that could be read.") from error
    return tensor


def note_of(path: Path) -> str:
    """Return the note that `save_tensors` left in a file; nothing of a file of another kind."""
    if path.suffix != ".safetensors":
        return ""
    with safe_open(path, framework="numpy") as file:
        return str((file.metadata() or {}).get("note", ""))
