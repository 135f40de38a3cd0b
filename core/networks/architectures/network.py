"""From a recipe to a network: raw grey scans in, logits out. Always built here, never deserialised.

The network is a chain of models, so that explanations can differentiate only what follows the target layer, and heads
can be trained on stored embeddings:

    grey scan [0, 255] ─ fit, augment, repeat, scale ─ backbone ─▶ feature map ─ pool ─▶ embedding ─ dense … ─▶ logits
    └───────────────────────── features ──────────────────────┘               │                └─ classifier ─┘
    └────────────────────────────────── embedder ─────────────────────────────┘
                                                               └─────────────────── head ─────────────────────┘
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from core.errors import StageLensError
from core.networks.architectures.augmentation import RandomView
from core.networks.architectures.backbones import BACKBONES, Backbone
from core.networks.architectures.geometry import fit_size, input_shape
from core.networks.recipe import Phase, Recipe

Floats = NDArray[np.float32]
BATCH = 64  # scans augmented at once


@dataclass(frozen=True, eq=False)
class Network:
    """A recipe's network. Its models are always called with an explicit `training`: see `core.networks.export`.

    Attributes:
        recipe: What it was built from.
        features: Model from N × H × W × 1 grey levels in [0, 255], any H and W, to the feature map
            N × h × w × channels; or from N × depth × height × width × 1 to N × d × h × w × channels.
        head: Model from that feature map to N × classes logits.
        whole: Both, one after the other.
        embedder: Model from scans to N × channels pooled features.
        classifier: Model from these embeddings to logits; shares its layers with the head.
    """

    recipe: Recipe
    features: keras.Model
    head: keras.Model
    whole: keras.Model
    embedder: keras.Model
    classifier: keras.Model

    @property
    def target_layer(self) -> str:
        """Name of the layer whose output is the feature map."""
        return BACKBONES[self.recipe.backbone].target_layer

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Height, width, 1 of the network's input; depth first for volumes."""
        return input_shape(self.recipe)

    def fit_size(self, images: Sequence[NDArray]) -> Floats:
        """Bring images of any size to the network's size; see `core.networks.architectures.geometry.fit_size`."""
        return fit_size(self.recipe, images)

    def augment_for(self, phase: Phase) -> None:
        """Set the augmentation of a phase, if the network was built for training; compile it afterwards."""
        for layer in self.features.layers:
            if isinstance(layer, RandomView):
                layer.augmentation = self.recipe.augmentation_of(phase)

    def view(self, scans: NDArray, seed: int) -> Floats:
        """Make one random view of each scan, as training does; the same seed gives the same views.

        Args:
            scans: N scans at the network's size.
            seed: Any integer.
        """
        augment = RandomView(self.recipe.augmentation, seed)
        batches = (scans[start : start + BATCH].astype(np.float32) for start in range(0, len(scans), BATCH))
        return np.concatenate([keras.ops.convert_to_numpy(augment(batch, training=True)) for batch in batches])


def build_network(recipe: Recipe, *, precision: str = "float32", for_training: bool = False) -> Network:
    """Build a recipe's network with random weights, drawn from the recipe's seed.

    Args:
        recipe: What to build.
        precision: Keras' dtype policy; weights and logits are always float32.
        for_training: Whether to include the augmentation, which has no weights.

    Raises:
        StageLensError: The recipe is of a model of the scans themselves.
    """
    if not recipe.has_network:
        raise StageLensError(
            f"{recipe.name} is a model of {recipe.backbone}, and no network: it has no layers or phases."
        )
    keras.utils.set_random_seed(recipe.seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        features = _features(recipe, BACKBONES[recipe.backbone], augmented=for_training)
        embedding, head, classifier = _head_models(recipe, features.output)
    finally:
        keras.config.set_dtype_policy(before)
    scan = keras.Input(features.input_shape[1:], name="grey_scan")
    whole = keras.Model(scan, head(features(scan)), name=recipe.name.replace("-", "_"))
    return Network(
        recipe=recipe,
        features=features,
        head=head,
        whole=whole,
        embedder=keras.Model(features.input, embedding, name="embedder"),
        classifier=classifier,
    )


def _features(recipe: Recipe, backbone: Backbone, *, augmented: bool) -> keras.Model:
    volumes = recipe.depth is not None
    scan = keras.Input(input_shape(recipe) if volumes else (None, None, 1), name="grey_scan")
    x = scan if volumes else _fit(recipe)(scan)
    if augmented and any(recipe.augmentation_of(phase).changes for phase in recipe.phases):
        x = RandomView(recipe.augmentation, recipe.seed, name="augment")(x)
    factors, offsets = backbone.preprocessing
    if len(factors) == 3:
        x = layers.Concatenate(dtype="float32", name="grey_to_three")([x, x, x])
    x = layers.Rescaling(list(factors), list(offsets), dtype="float32", name="centre")(x)
    build = backbone.build if recipe.output_stride is None else backbone.dilated
    assert build is not None  # noqa: S101 - recipe_from has looked
    return keras.Model(scan, build(x), name="features")


def _fit(recipe: Recipe) -> keras.layers.Layer:
    return layers.Resizing(
        recipe.height,
        recipe.width,
        interpolation="bilinear",
        antialias=True,
        pad_to_aspect_ratio=True,
        fill_mode="constant",
        fill_value=0.0,
        dtype="float32",
        name="fit",
    )


def _head_models(recipe: Recipe, feature_map: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.Model, keras.Model]:
    """Return the embedding of the feature map, the head, and the classifier; the last two share their layers."""
    volumes = recipe.depth is not None
    pool = (layers.GlobalAveragePooling3D if volumes else layers.GlobalAveragePooling2D)(dtype="float32", name="pool")
    chain: list[keras.layers.Layer] = []
    for number, width in enumerate(recipe.head.dense, start=1):
        chain.append(layers.Dense(width, "relu", dtype="float32", name=f"dense{number}"))
        chain.append(layers.Dropout(recipe.head.dropout, dtype="float32", name=f"drop{number}"))
    if not recipe.head.dense:
        chain.append(layers.Dropout(recipe.head.dropout, dtype="float32", name="drop"))
    chain.append(layers.Dense(len(recipe.classes), dtype="float32", name="logits"))
    given, pooled = keras.Input(feature_map.shape[1:], name="feature_map"), pool(feature_map)
    embedding = keras.Input(pooled.shape[1:], name="embedding")
    from_map, from_embedding = pool(given), embedding
    for layer in chain:
        from_map, from_embedding = layer(from_map), layer(from_embedding)
    head = keras.Model(given, from_map, name="head")
    classifier = keras.Model(embedding, from_embedding, name="logits_of")
    return pooled, head, classifier
