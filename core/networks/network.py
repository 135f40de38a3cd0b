"""From a recipe to a network: raw grey scans in, logits out. Always built here, never deserialised.

The network is two models in a row, so that explanations can differentiate only what follows the target layer:

    grey scan [0, 255] ─ fit, augment, repeat, subtract means ─ backbone ─▶ feature map ─ pool, drop, dense ─▶ logits
    └────────────────────────── features ──────────────────────────────┘              └────────── head ─────────┘
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from core.networks.backbones import BACKBONES, Backbone
from core.networks.recipe import Augmentation, Recipe

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Network:
    """A recipe's network. Its models are called with `training` said, always: see `core.networks.export.save_keras`.

    Attributes:
        recipe: What it was built from.
        features: Model from N × H × W × 1 grey in [0, 255], any H and W, to the feature map N × h × w × channels.
        head: Model from that feature map to N × classes logits.
        whole: The two in a row.
    """

    recipe: Recipe
    features: keras.Model
    head: keras.Model
    whole: keras.Model

    @property
    def target_layer(self) -> str:
        """Name of the layer whose output is the feature map."""
        return BACKBONES[self.recipe.backbone].target_layer

    def fit_size(self, greys: Sequence[Floats]) -> Floats:
        """Bring grey scans of any size to the network's own with its own first layer.

        Args:
            greys: float32 arrays, H × W, in [0, 255].

        Returns:
            float32, N × height × width × 1; the network leaves such an array as it is.
        """
        fitted = np.empty((len(greys), self.recipe.height, self.recipe.width, 1), np.float32)
        shapes: dict[tuple[int, ...], list[int]] = {}
        for place, grey in enumerate(greys):
            shapes.setdefault(grey.shape, []).append(place)
        resize = self.features.get_layer("fit")
        for places in shapes.values():
            for start in range(0, len(places), 64):
                chosen = places[start : start + 64]
                batch = np.stack([greys[place] for place in chosen])[..., None]
                fitted[chosen] = keras.ops.convert_to_numpy(resize(batch))
        return fitted


def build_network(recipe: Recipe, *, precision: str = "float32") -> Network:
    """Build a recipe's network with random weights, drawn from the recipe's seed.

    Args:
        recipe: What to build.
        precision: Keras' dtype policy; weights and logits are float32 in any case.
    """
    keras.utils.set_random_seed(recipe.seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        features = _features(recipe, BACKBONES[recipe.backbone])
        head = _head(recipe, features.output_shape[1:])
    finally:
        keras.config.set_dtype_policy(before)
    scan = keras.Input((None, None, 1), name="grey_scan")
    return Network(recipe, features, head, keras.Model(scan, head(features(scan)), name=recipe.name.replace("-", "_")))


def _features(recipe: Recipe, backbone: Backbone) -> keras.Model:
    scan = keras.Input((None, None, 1), name="grey_scan")
    x = layers.Resizing(
        recipe.height, recipe.width, interpolation="bilinear", antialias=True, pad_to_aspect_ratio=True,
        fill_mode="constant", fill_value=0.0, dtype="float32", name="fit",
    )(scan)  # fmt: skip
    x = _augment(x, recipe.augmentation)
    x = layers.Concatenate(dtype="float32", name="grey_to_three")([x, x, x])
    offset = [-mean for mean in backbone.channel_means]
    x = layers.Rescaling(1.0, offset, dtype="float32", name="centre")(x)
    application = getattr(keras.applications, backbone.application)
    convolutions = application(
        include_top=False, weights=None, input_shape=(recipe.height, recipe.width, 3), input_tensor=x
    )
    return keras.Model(scan, convolutions.get_layer(backbone.target_layer).output, name="features")


def _augment(x: keras.KerasTensor, augmentation: Augmentation) -> keras.KerasTensor:
    flips = {(True, True): "horizontal_and_vertical", (True, False): "horizontal", (False, True): "vertical"}
    flip = flips.get((augmentation.flip_horizontal, augmentation.flip_vertical))
    if flip:
        x = layers.RandomFlip(flip, dtype="float32", name="flip")(x)
    if augmentation.rotation_degrees:
        turn = augmentation.rotation_degrees / 360
        x = layers.RandomRotation(turn, fill_mode=augmentation.fill, dtype="float32", name="rotate")(x)
    if augmentation.shift:
        shift, fill = augmentation.shift, augmentation.fill
        x = layers.RandomTranslation(shift, shift, fill_mode=fill, dtype="float32", name="shift")(x)
    return x


def _head(recipe: Recipe, feature_shape: tuple[int, ...]) -> keras.Model:
    feature_map = keras.Input(feature_shape, name="feature_map")
    x = layers.GlobalAveragePooling2D(dtype="float32", name="pool")(feature_map)
    x = layers.Dropout(recipe.head.dropout, dtype="float32", name="drop")(x)
    logits = layers.Dense(len(recipe.classes), dtype="float32", name="logits")(x)
    return keras.Model(feature_map, logits, name="head")
