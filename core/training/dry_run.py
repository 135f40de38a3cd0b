"""One training step on noise, to check that the backend works at all."""

import keras
import numpy as np

from core.networks.architectures.network import build_network
from core.networks.backend import compile_for_training, make_repeatable
from core.networks.recipe_files import read_recipe, with_settings


def one_step() -> float:
    """Train a small ResNet18 for one step and return its loss.

    Raises:
        RuntimeError: The loss is not a number.
    """
    make_repeatable(0)
    recipe = with_settings(read_recipe("s4_resnet18"), ["height=32", "width=32"])
    network = build_network(recipe, for_training=True)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compile_for_training(network.whole, keras.optimizers.SGD(1e-3), loss)
    scans = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 1), np.uint8)
    value = float(network.whole.train_on_batch(scans, np.arange(4), return_dict=True)["loss"])
    if not np.isfinite(value):
        raise RuntimeError(f"the loss is {value}")
    return value
