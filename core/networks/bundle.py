"""Writing a bundle: weights as safetensors and the card beside them, in one folder that appears whole or not at all."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from core.errors import BundleError
from core.files import replacing_folder
from core.networks.architectures.network import Network
from core.networks.backend import Forward, in_batches
from core.networks.card import CARD_FILE, WEIGHTS_FILE, write_card
from core.networks.weights.tensors import Tensors, assign, save_tensors, tensors_of

ALLOWED_MOVE = 0.005  # of any probability, when weights are rounded to float16
PROBES = 256
BATCH = 32


def round_weights(network: Network, forward: Forward, scans: NDArray) -> tuple[Tensors, dict[str, Any]]:
    """Round a network's kernels to float16 if its probabilities stay; the network is left with what is returned.

    Vectors (biases, BatchNorm) stay float32: they are a thousandth of the size and carry half of the error.

    Args:
        network: A trained network in float32.
        forward: Its compiled forward pass.
        scans: N × H × W × 1; about 256 of them, evenly spaced, are tried.

    Returns:
        The tensors to keep, by path, and what was done: `weights_dtype` and `probabilities_moved_by`.
    """
    exact = tensors_of(network.whole.weights)
    with np.errstate(over="ignore"):
        rounded = {name: value.astype(np.float16) if value.ndim > 1 else value for name, value in exact.items()}
    if all(np.isfinite(value).all() for value in rounded.values()):
        probes = scans[:: max(1, len(scans) // PROBES)]
        before = _probabilities(forward, probes)
        assign(network.whole.weights, rounded, "rounded weights")
        moved = float(np.abs(_probabilities(forward, probes) - before).max())
        if moved < ALLOWED_MOVE:
            return rounded, {"weights_dtype": "float16", "probabilities_moved_by": moved}
        assign(network.whole.weights, exact, "exact weights")
    return exact, {"weights_dtype": "float32", "probabilities_moved_by": 0.0}


def write_bundle(folder: Path, tensors: Tensors, card: dict[str, Any]) -> None:
    """Write a bundle's folder, replacing an older one of the same run only when the new one is complete.

    Args:
        folder: The bundle's folder.
        tensors: Weights by variable path.
        card: Plain values for JSON, without NaN.

    Raises:
        BundleError: The folder exists and holds something else than a bundle.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / CARD_FILE).exists():
        raise BundleError(f"{folder} exists and is no bundle; give another place.")
    with replacing_folder(folder) as unfinished:
        save_tensors(unfinished / WEIGHTS_FILE, tensors)
        write_card(unfinished, card)


def _probabilities(forward: Forward, scans: NDArray) -> NDArray[np.float64]:
    return np.asarray(softmax(in_batches(forward, scans, BATCH).astype(np.float64), axis=1))
