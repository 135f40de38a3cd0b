"""Networks small enough to explain by hand."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from core.networks.architectures.backbones import BACKBONES, Backbone, register
from core.networks.architectures.network import build_network
from core.networks.bundle import Bundle
from core.networks.card import untrained_card
from core.networks.inference.predictor import Predictor
from core.networks.recipe import Head, Phase, Recipe

from .. import tiny as _tiny  # noqa: F401 - makes the tiny networks known

AS_IT_IS = ((1.0,), (0.0,))


def _identity(x: Any) -> Any:
    from keras import layers

    return layers.Activation("linear", name="same")(x)


def _two_features(x: Any) -> Any:
    """Pool 16 × 16 pixels to a cell, and compute two features from it: its mean, and how far it lies below 100."""
    from keras import layers

    pooled = layers.AveragePooling2D(16, name="cells")(x)
    return layers.Conv2D(2, 1, activation="relu", name="features")(pooled)


for _backbone in (
    Backbone("by_hand_linear", "Linear", _identity, AS_IT_IS, target_layer="same", last_block="same", parameters=0.0),
    Backbone(
        "by_hand_cells",
        "Two features of four cells",
        _two_features,
        AS_IT_IS,
        target_layer="features",
        last_block="features",
        parameters=0.0,
    ),
):
    if _backbone.name not in BACKBONES:
        register(_backbone)


def predictor_of(backbone: str, *, height: int = 32, width: int = 32, seed: int = 3, **changes: Any) -> Predictor:
    """Build a network with random weights, in memory."""
    values = {"head": Head(dropout=0.5), "phases": (Phase("head", 1e-3, 1, 1),), "start": "scratch", **changes}
    recipe = Recipe("by_hand", "By hand", "alzheimer", backbone, height=height, width=width, seed=seed, **values)
    bundle = Bundle(Path("nowhere"), untrained_card(recipe))
    return Predictor(bundle, build_network(recipe), engine="keras")


def cells_predictor(kernel: np.ndarray, bias: np.ndarray) -> Predictor:
    """A network of 2 × 2 cells with two features: a cell's mean m, and ReLU(100 − m).

    Args:
        kernel: 2 × 4, the weights of the logits.
        bias: 4, their biases.
    """
    predictor = predictor_of("by_hand_cells")
    network = predictor.network
    network.features.get_layer("features").set_weights([np.array([[[[1.0, -1.0]]]]), np.array([0.0, 100.0])])
    network.head.get_layer("logits").set_weights([kernel, bias])
    return predictor


@cache
def shared(backbone: str, **changes: Any) -> Predictor:
    """Build a network once for all tests that do not change it; what it compiled for one test serves the next."""
    return predictor_of(backbone, **changes)
