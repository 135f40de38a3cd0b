"""BatchNorm folded into the convolution before it: a network that computes the same with fewer passes over memory.

With frozen statistics BatchNorm is y = γ (x − μ) / √(σ² + ε) + β, a factor and an offset a channel, which the
convolution's kernel and bias can carry themselves (Jacob et al., Quantization and Training of Neural Networks, CVPR
2018, section 3.2).
"""

import keras
import numpy as np

from core.networks.architectures.network import Network

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.Conv3D, keras.layers.DepthwiseConv2D)


class Identity(keras.layers.Layer):
    """What is left of a folded BatchNorm; takes what it took."""

    def call(self, x: keras.KerasTensor, training: bool | None = None, mask: object = None) -> keras.KerasTensor:
        """Return x."""
        return x


def folded(model: keras.Model, network: Network) -> keras.Model:
    """Return a copy of a model with BatchNorm folded where it directly follows a convolution.

    Args:
        model: Of the network's layers, from the fitted scan on.
        network: Whose layers they are; left as it is. Later changes of its weights do not reach the copy.

    Returns:
        A model of the same answers, to about 5e-5 of them; layers that are not folded are shared.
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
    """Return convolutions with nothing but a BatchNorm behind them, and that BatchNorm."""
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
    mean, variance = (np.asarray(keras.ops.convert_to_numpy(value), np.float64)
                      for value in (norm.moving_mean, norm.moving_variance))  # fmt: skip
    gamma = np.asarray(keras.ops.convert_to_numpy(norm.gamma), np.float64) if norm.scale else np.ones_like(mean)
    beta = np.asarray(keras.ops.convert_to_numpy(norm.beta), np.float64) if norm.center else np.zeros_like(mean)
    factor = gamma / np.sqrt(variance + norm.epsilon)
    offset = beta + ((bias[0] if bias else 0.0) - mean) * factor
    if isinstance(convolution, keras.layers.DepthwiseConv2D):  # rows × columns × channels × 1
        return [kernel * factor.reshape(1, 1, -1, kernel.shape[-1]), offset]
    return [kernel * factor, offset]
