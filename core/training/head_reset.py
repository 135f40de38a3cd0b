"""Reinitialising a network's head."""

import keras
import numpy as np

from core.networks.architectures.network import Network


def renew_head(network: Network, seed: int) -> None:
    """Reinitialise the head's dense layers as Keras does by default (Glorot and Bengio 2010, equation 16)."""
    for number, variable in enumerate(network.head.weights):
        if len(variable.shape) > 1:
            draw = keras.initializers.GlorotUniform(seed=int(np.random.default_rng([seed, number]).integers(2**31)))
            variable.assign(draw(variable.shape))
        else:
            variable.assign(keras.ops.zeros(variable.shape))
