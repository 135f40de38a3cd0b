"""Which layers train in a phase, and which stay frozen."""

import keras

from core.errors import RecipeError
from core.networks.architectures.backbones import BACKBONES
from core.networks.architectures.network import Network
from core.networks.recipe import Phase


def freeze_for(network: Network, phase: Phase) -> None:
    """Freeze and unfreeze the layers of a network as a phase requires.

    A frozen BatchNorm uses its running means without updating them (Keras' rule since version 2).

    Raises:
        RecipeError: The backbone has no layer with the name given by the phase.
    """
    layers = network.features.layers
    first = _first_trained(network, phase, [layer.name for layer in layers])
    network.features.trainable = first < len(layers)
    for index, layer in enumerate(layers):
        kept = isinstance(layer, keras.layers.BatchNormalization) and phase.batch_norm == "freeze"
        layer.trainable = index >= first and not kept
    network.head.trainable = network.classifier.trainable = True


def _first_trained(network: Network, phase: Phase, names: list[str]) -> int:
    """Return the index of the first layer that trains; the number of layers if none does."""
    if phase.trains == "all":
        return 0
    if phase.trains == "head":
        return len(names)
    wanted = phase.from_layer or BACKBONES[network.recipe.backbone].last_block
    if wanted not in names:
        raise RecipeError(f"{network.recipe.backbone} has no layer {wanted!r} to train from.")
    return names.index(wanted)
