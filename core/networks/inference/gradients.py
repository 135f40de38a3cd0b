"""What of a network needs Keras: gradients, activations in the middle, embeddings, and copies with random weights."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.errors import BundleError, WeightsError
from core.networks.architectures.network import Network, build_network
from core.networks.backend import Forward, Gradient, compile_gradient, compile_model
from core.networks.bundle import WEIGHTS_FILE, Bundle
from core.networks.inference.batches import BATCH, batches
from core.networks.inference.folding import folded
from core.networks.inference.predictor import Predictor
from core.networks.inference.submodels import answering, guided, split_at
from core.networks.weights.storage import load_tensors
from core.networks.weights.tensors import assign

GRADIENT_PIXELS = 4 * 224 * 224  # limit for a batch that is differentiated, since its activations stay in memory
Floats = NDArray[np.float32]


def load_network(bundle: Bundle) -> Network:
    """Build a bundle's network from its recipe and load the bundle's weights.

    Raises:
        BundleError: The weights are missing or damaged, or do not fit.
    """
    network = build_network(bundle.recipe)
    try:
        assign(network.whole.weights, load_tensors(bundle.folder / WEIGHTS_FILE), f"{bundle.name}/{WEIGHTS_FILE}")
    except WeightsError as error:
        raise BundleError(str(error)) from error
    return network


def randomised(predictor: Predictor, *, fraction: float = 1.0, seed: int = 0) -> tuple[Predictor, str]:
    """Return a copy of a network with the weights of its layers, from the logits down, reinitialised at random.

    BatchNorm is reset, too: scales and offsets as well as running means and variances.

    Args:
        predictor: The trained network; not changed.
        fraction: Fraction of the layers with weights, 1 for all.
        seed: Seed for the new weights.

    Returns:
        The copy, whose forward passes run in Keras, and the name of the last layer that was randomised.
    """
    network = predictor.network
    fresh = build_network(replace(network.recipe, seed=seed + 1))
    copy, source = fresh.whole.weights, network.whole.weights
    layers = list(dict.fromkeys(_layer_of(variable.path) for variable in copy))
    kept = set(layers[: round(len(layers) * (1 - fraction))])
    for variable, original in zip(copy, source, strict=True):
        if _layer_of(variable.path) in kept:
            variable.assign(original)
    last = layers[len(kept)]
    return Predictor(predictor.bundle, fresh, engine="keras"), last.rsplit("/", 1)[-1]


class Gradients:
    """Compiled parts of a network, each made when it is first asked for. Not safe to use from several threads."""

    def __init__(self, network: Network) -> None:
        """Keep the network; nothing is compiled yet."""
        self._network = network
        self._embed: Forward | None = None
        self._splits: dict[str, tuple[Forward, Gradient]] = {}
        self._gradients: dict[str, Gradient] = {}

    def of_input(self, inputs: Floats, classes: NDArray[np.int64], kind: str) -> tuple[Floats, Floats]:
        """As `core.networks.inference.predictor.Predictor.input_gradient`."""
        if kind not in self._gradients:
            whole = answering(self._network)
            model = guided(self._network)[0] if kind == "guided" else folded(whole, self._network)
            self._gradients[kind] = compile_gradient(model, dropout=kind == "dropout")
        return _in_batches(self._gradients[kind], inputs, classes)

    def of_layer(self, activations: Floats, classes: NDArray[np.int64], layer: str) -> Floats:
        """Return the gradient of each scan's chosen logit with respect to a layer's activations.

        Raises:
            StageLensError: The network cannot be cut at that layer.
        """
        return _in_batches(self._split(layer)[1], activations, classes)[1]

    def activations(self, inputs: Floats, layer: str) -> Floats:
        """As `core.networks.inference.predictor.Predictor.activations`."""
        lower = self._split(layer)[0]
        return np.concatenate([lower(batch) for batch in batches(inputs)])

    def embeddings(self, inputs: Floats) -> Floats:
        """Return pooled features, N × channels, of scans at the network's size."""
        if self._embed is None:
            self._embed = compile_model(self._network.embedder)
        return np.concatenate([self._embed(batch) for batch in batches(inputs)])

    def _split(self, layer: str) -> tuple[Forward, Gradient]:
        if layer not in self._splits:
            lower, upper = split_at(self._network, layer)
            self._splits[layer] = (compile_model(lower), compile_gradient(upper))
        return self._splits[layer]


def _in_batches(gradient: Gradient, given: Floats, classes: NDArray[np.int64]) -> tuple[Floats, Floats]:
    size = min(BATCH, max(1, GRADIENT_PIXELS // int(np.prod(given.shape[1:3])))) if given.ndim == 4 else 1
    parts = (slice(start, start + size) for start in range(0, len(given), size))
    logits, gradients = zip(*(gradient(given[part], classes[part]) for part in parts), strict=True)
    return np.concatenate(logits), np.concatenate(gradients)


def _layer_of(path: str) -> str:
    return path.rsplit("/", 1)[0]
