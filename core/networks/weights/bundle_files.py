"""Writing a bundle: weights as safetensors together with the card, in one folder that is replaced atomically."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from core.errors import BundleError
from core.files import replacing_folder
from core.networks.architectures.network import Network
from core.networks.backend import Forward, in_batches
from core.networks.bundle import WEIGHTS_FILE, with_digests
from core.networks.card import CARD_FILE, Card, write_card
from core.networks.ood import OodModel, write_ood_model
from core.networks.weights.storage import Tensors, save_tensors
from core.networks.weights.tensors import assign, tensors_of

ALLOWED_MOVE = 0.005  # largest change of any probability when weights are rounded to float16
PROBES = 256
BATCH = 32


@dataclass(frozen=True)
class Rounding:
    """How weights were rounded before they are stored.

    Attributes:
        dtype: The dtype of the kernels.
        moved_by: The largest change of a probability on the scans that were tried.
    """

    dtype: str = "float32"
    moved_by: float = 0.0


def round_weights(network: Network, forward: Forward, scans: NDArray) -> tuple[Tensors, Rounding]:
    """Round a network's kernels to float16 if its probabilities hardly change; the network then has these weights.

    Vectors (biases, BatchNorm) stay float32: they are a thousandth of the size but would cause half of the error.

    Args:
        network: A trained network in float32.
        forward: Its compiled forward pass.
        scans: N × H × W × 1; about 256 of them, evenly spaced, are tried.

    Returns:
        The tensors to store, by path, and how they were rounded.
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
            return rounded, Rounding("float16", moved)
        assign(network.whole.weights, exact, "exact weights")
    return exact, Rounding()


def write_bundle(folder: Path, tensors: Tensors, card: Card, *, ood_model: OodModel | None = None) -> Card:
    """Write a bundle's folder; an older one is replaced only when the new one is complete.

    Args:
        folder: The bundle's folder.
        tensors: Weights by variable path.
        card: Its card.
        ood_model: Its OOD model, if it has one.

    Returns:
        The card as it is written, with the digests of the files.

    Raises:
        BundleError: The folder exists and holds something other than a bundle.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / CARD_FILE).exists():
        raise BundleError(f"{folder} exists and is not a bundle; give another folder.")
    with replacing_folder(folder) as unfinished:
        save_tensors(unfinished / WEIGHTS_FILE, tensors)
        if ood_model is not None:
            write_ood_model(unfinished, ood_model)
        card = with_digests(card, unfinished)
        write_card(unfinished, card)
    return card


def _probabilities(forward: Forward, scans: NDArray) -> NDArray[np.float64]:
    return np.asarray(softmax(in_batches(forward, scans, BATCH).astype(np.float64), axis=1))
