"""A network cut in two at a layer, so that explanations differentiate only what they need.

All of these models begin with the scan at the network's size (`core.networks.architectures.geometry.fit_size`):
resizing is done once, outside, and is never differentiated.
"""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from core.errors import StageLensError
from core.networks.architectures.network import Network


def sized_input(network: Network) -> keras.KerasTensor:
    """Return the tensor of the scan at the network's size: the resizing layer's output; for volumes the input."""
    volumes = network.recipe.depth is not None
    return network.features.input if volumes else network.features.get_layer("fit").output


def body(network: Network) -> keras.Model:
    """Return the model from scans at the network's size to the feature map and the logits."""
    feature_map = network.features.output
    return keras.Model(sized_input(network), [feature_map, network.head(feature_map)], name="body")


def answering(network: Network) -> keras.Model:
    """Return the model from scans at the network's size to the logits."""
    return keras.Model(sized_input(network), network.head(network.features.output), name="answering")


def split_at(network: Network, layer: str) -> tuple[keras.Model, keras.Model]:
    """Cut a network after a layer.

    Args:
        network: The network to cut.
        layer: One of `layers_of`.

    Returns:
        The model from scans at the network's size to the layer's output, and the model from there to the logits.

    Raises:
        StageLensError: The network cannot be cut there.
    """
    known = layers_of(network)
    if layer not in known:
        raise StageLensError(f"there is no layer {layer!r} for heatmaps; this network has {', '.join(known)}.")
    if layer == network.target_layer:
        return keras.Model(sized_input(network), network.features.output, name="lower"), network.head
    at = network.features.get_layer(layer).output
    upper = keras.Model(at, network.head(network.features.output), name="upper")
    return keras.Model(sized_input(network), at, name="lower"), upper


def layers_of(network: Network) -> tuple[str, ...]:
    """Return the layers at which heatmaps can be made, from the finest to the coarsest; the last is the target layer.

    At each resolution this is the last layer through which everything passes: a network cannot be cut inside a block,
    where a shortcut bypasses the layers.
    """
    last_at: dict[tuple[int, ...], str] = {}
    for layer in _bottlenecks(network.features):
        if "ZeroPadding" in type(layer).__name__:
            continue
        sides = tuple(layer.output.shape[1:-1])
        if layer.output.shape[-1] > 3 and None not in sides and max(sides) > 1:  # not the three copies of the input
            last_at[sides] = layer.name
    last_at[tuple(network.features.output.shape[1:-1])] = network.target_layer
    return tuple(last_at.values())


def _bottlenecks(model: keras.Model) -> Iterable[keras.layers.Layer]:
    """Yield, in order, the layers through whose output everything passes."""
    waiting: dict[int, int] = {}
    for layer in model.layers:
        for tensor in _inputs(layer):
            waiting[id(tensor)] = waiting.get(id(tensor), 0) + 1
    open_tensors: set[int] = set()
    for layer in model.layers:
        for tensor in _inputs(layer):
            waiting[id(tensor)] -= 1
            if not waiting[id(tensor)]:
                open_tensors.discard(id(tensor))
        if id(layer.output) in waiting:
            open_tensors.add(id(layer.output))
        if open_tensors <= {id(layer.output)}:
            yield layer


def _inputs(layer: keras.layers.Layer) -> list[keras.KerasTensor]:
    if isinstance(layer, keras.layers.InputLayer):
        return []
    given = layer.input
    # A tensor that a layer takes twice counts once.
    return list({id(tensor): tensor for tensor in (given if isinstance(given, list) else [given])}.values())


class GuidedReLU(keras.layers.Layer):
    """A ReLU that propagates only positive gradients backwards.

    Springenberg et al., Striving for Simplicity, ICLR workshop 2015, section 3.4: the gradient passes where the input
    and the gradient itself are positive.
    """

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return ReLU(x)."""

        def guided(given: Any) -> Any:
            def back(*arguments: Any, upstream: Any = None) -> Any:
                gradient = arguments[-1] if upstream is None else upstream
                return keras.ops.relu(gradient) * keras.ops.cast(given > 0, gradient.dtype)

            return keras.ops.relu(given), back

        return keras.ops.custom_gradient(guided)(x)


def guided(network: Network) -> tuple[keras.Model, int]:
    """Return the model from scans at the network's size to logits, with a `GuidedReLU` in place of every ReLU.

    Returns:
        The model, which shares the weights, and the number of ReLUs; networks with other activations (EfficientNet)
        have few or none.
    """
    found: list[str] = []

    def cloned(layer: keras.layers.Layer) -> keras.layers.Layer:
        if _is_relu(layer):
            found.append(layer.name)
            return GuidedReLU(name=layer.name)
        return layer

    flat = keras.Model(sized_input(network), _flat_logits(network), name="flat")
    return keras.models.clone_model(flat, clone_function=cloned), len(found)


def _flat_logits(network: Network) -> keras.KerasTensor:
    """Return the logits as one flat graph from the features' input on, with the head's layers after the backbone's."""
    x = network.features.output
    for layer in network.head.layers[1:]:
        x = layer(x)
    return x


def _is_relu(layer: keras.layers.Layer) -> bool:
    if isinstance(layer, keras.layers.ReLU):
        return layer.max_value is None
    return isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.relu


def is_linear_head(network: Network) -> bool:
    """Tell whether only pooling and one dense layer follow the feature map, so that gradients have a closed form."""
    return not network.recipe.head.dense


def head_kernel(network: Network) -> np.ndarray:
    """Return the last dense layer's weights, channels × classes."""
    return np.asarray(keras.ops.convert_to_numpy(network.head.get_layer("logits").kernel))
