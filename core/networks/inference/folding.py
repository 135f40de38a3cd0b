"""BatchNorm folded into the preceding convolution: a network that computes the same with fewer passes over memory.

With frozen statistics BatchNorm is y = γ (x − μ) / √(σ² + ε) + β, one factor and one offset per channel, which can be
absorbed into the convolution's kernel and bias (Jacob et al., Quantization and Training of Neural Networks, CVPR 2018,
section 3.2).
"""

import keras
import numpy as np

from core.networks.architectures.network import Network

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.Conv3D, keras.layers.DepthwiseConv2D)


class Identity(keras.layers.Layer):
    """Stands in for a folded BatchNorm and accepts the same arguments."""

    def call(self, x: keras.KerasTensor, training: bool | None = None, mask: object = None) -> keras.KerasTensor:
        """Return x."""
        return x


def folded(model: keras.Model, network: Network) -> keras.Model:
    """Return a copy of a model with BatchNorm folded where it directly follows a convolution.

    Args:
        model: A model made of the network's layers, beginning with the scan at the network's size.
        network: The network that owns the layers; not changed. Later changes of its weights do not reach the copy.

    Returns:
        A model with the same outputs, to within about 5e-5; layers that are not folded are shared.
    """
    pairs = _pairs(network)
    before = {norm.name: convolution for convolution, norm in pairs}
    after = {convolution.name: norm for convolution, norm in pairs}
    fresh: dict[str, keras.layers.Layer] = {}

    def cloned(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer.name in after:
            fresh[layer.name] = type(layer).from_config({**layer.get_config(), "use_bias": True})
            return fresh[layer.name]
        if layer.name in before:
            return Identity(name=layer.name)
        return layer

    copy = keras.models.clone_model(model, clone_function=cloned)
    for convolution, norm in pairs:
        if convolution.name in fresh:
            fresh[convolution.name].set_weights(_folded_weights(convolution, norm))
    return copy


def _pairs(network: Network) -> list[tuple[keras.layers.Layer, keras.layers.Layer]]:
    """Return the convolutions that are followed only by a BatchNorm, each with that BatchNorm."""
    layers = network.features.layers
    makers = {id(layer.output): layer for layer in layers}
    used: dict[int, int] = {}
    for layer in layers:
        if not isinstance(layer, keras.layers.InputLayer):
            given = layer.input if isinstance(layer.input, list) else [layer.input]
            for tensor in given:
                used[id(tensor)] = used.get(id(tensor), 0) + 1
    return [
        (makers[id(layer.input)], layer)
        for layer in layers
        if isinstance(layer, keras.layers.BatchNormalization)
        and isinstance(makers.get(id(layer.input)), CONVOLUTIONS)
        and used[id(layer.input)] == 1
        and makers[id(layer.input)].activation is keras.activations.linear
    ]


def _folded_weights(convolution: keras.layers.Layer, norm: keras.layers.BatchNormalization) -> list[np.ndarray]:
    kernel, *bias = (np.asarray(value, np.float64) for value in convolution.get_weights())
    mean, variance = _values(norm.moving_mean), _values(norm.moving_variance)
    gamma = _values(norm.gamma) if norm.scale else np.ones_like(mean)
    beta = _values(norm.beta) if norm.center else np.zeros_like(mean)
    factor = gamma / np.sqrt(variance + norm.epsilon)
    offset = beta + ((bias[0] if bias else 0.0) - mean) * factor
    if isinstance(convolution, keras.layers.DepthwiseConv2D):  # rows × columns × channels × 1
        return [kernel * factor.reshape(1, 1, -1, kernel.shape[-1]), offset]
    return [kernel * factor, offset]


def _values(variable: keras.Variable) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)
