"""The only code that depends on Keras' backend: repeatability, compiled passes, gradients of the head."""

import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from core.errors import StageLensError
from core.networks.devices import accelerated
from core.networks.network import Network

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Forward = Callable[[NDArray], Floats]
FeatureGradient = Callable[[Floats, Ints], tuple[Floats, Floats, Floats]]


def backend_name() -> str:
    """Return the name of Keras' backend: tensorflow, torch or jax."""
    return str(keras.backend.backend())


def make_repeatable(seed: int) -> None:
    """Seed every random generator and ask the backend for operations that repeat bit for bit; JAX's always do."""
    keras.utils.set_random_seed(seed)
    if backend_name() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend_name() == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


def compile_forward(network: Network) -> Forward:
    """Compile the forward pass: scans, N × H × W × 1 grey (or volumes), to N × classes logits, for any N, H and W."""
    return compile_model(network.whole)


def compile_model(model: keras.Model) -> Forward:
    """Compile a model of one input for predicting: arrays of any number in, float32 out."""
    match backend_name():
        case "tensorflow":
            import tensorflow as tf

            graph = tf.function(
                lambda given: model(given, training=False),
                input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)],
            )
            return lambda given: np.asarray(graph(tf.constant(given, tf.float32)))
        case "torch":
            import torch

            def run(given: NDArray) -> Floats:
                with torch.no_grad():
                    return np.asarray(model(given.astype(np.float32), training=False).detach().cpu().numpy())

            return run
        case _:
            return lambda given: np.asarray(model.predict_on_batch(given.astype(np.float32)))


def in_batches(forward: Forward, given: NDArray, batch_size: int) -> Floats:
    """Run a compiled forward pass over any number of scans, a batch at a time."""
    starts = range(0, len(given), batch_size)
    return np.concatenate([forward(given[start : start + batch_size]) for start in starts])


def compile_for_training(model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: keras.losses.Loss) -> None:
    """Compile a model for `train_on_batch`.

    On CPUs TensorFlow's XLA makes convolutions slower, so it is asked for on accelerators only.
    """
    jit: Any = "auto"
    if backend_name() == "tensorflow" and not accelerated():
        jit = False
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=jit)
    optimizer.build(model.trainable_variables)


def compile_feature_gradient(network: Network) -> FeatureGradient:
    """Compile one forward pass with the gradient of one logit a scan with respect to the feature map.

    Only the head is differentiated: the backbone runs forward once and is not on the tape, so the cost is that of a
    forward pass.

    Returns:
        A function of scans (N × H × W × 1 grey) and class indices (N; negative for the class predicted) that gives
        logits (N × classes), the feature map and the gradient (both N × h × w × channels).
    """
    match backend_name():
        case "tensorflow":
            return _tensorflow_gradient(network)
        case "torch":
            return _torch_gradient(network)
        case "jax":
            return _jax_gradient(network)
        case other:
            raise StageLensError(f"heatmaps need the backend tensorflow, torch or jax. Received: {other}")


def _tensorflow_gradient(network: Network) -> FeatureGradient:
    import tensorflow as tf

    def run(scans, classes):  # type: ignore[no-untyped-def]
        feature_map = network.features(scans, training=False)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(feature_map)
            logits = network.head(feature_map, training=False)
            classes = tf.where(classes < 0, tf.argmax(logits, axis=1), classes)
            chosen = tf.gather(logits, classes, batch_dims=1)
        return logits, feature_map, tape.gradient(chosen, feature_map)

    shape = network.features.input_shape
    signature = [tf.TensorSpec((None, *shape[1:]), tf.float32), tf.TensorSpec((None,), tf.int64)]
    graph = tf.function(run, input_signature=signature)

    def compiled(scans: Floats, classes: Ints) -> tuple[Floats, Floats, Floats]:
        logits, feature_map, gradient = graph(tf.constant(scans), tf.constant(classes))
        return np.asarray(logits), np.asarray(feature_map), np.asarray(gradient)

    return compiled


def _torch_gradient(network: Network) -> FeatureGradient:
    import torch

    def compiled(scans: Floats, classes: Ints) -> tuple[Floats, Floats, Floats]:
        with torch.no_grad():
            feature_map = network.features(scans, training=False)
        feature_map = feature_map.detach().requires_grad_(True)
        logits = network.head(feature_map, training=False)
        wanted = torch.as_tensor(classes, device=logits.device)
        wanted = torch.where(wanted < 0, logits.argmax(dim=1), wanted)
        chosen = logits.gather(1, wanted[:, None]).sum()
        (gradient,) = torch.autograd.grad(chosen, feature_map)
        logits, feature_map = logits.detach().cpu().numpy(), feature_map.detach().cpu().numpy()
        return logits, feature_map, gradient.cpu().numpy()

    return compiled


def _jax_gradient(network: Network) -> FeatureGradient:
    import jax

    def chosen_logits(feature_map, classes):  # type: ignore[no-untyped-def]
        logits = network.head(feature_map, training=False)
        classes = jax.numpy.where(classes < 0, logits.argmax(axis=1), classes)
        return jax.numpy.take_along_axis(logits, classes[:, None], axis=1).sum(), logits

    def run(scans, classes):  # type: ignore[no-untyped-def]
        feature_map = network.features(scans, training=False)
        gradient, logits = jax.grad(chosen_logits, has_aux=True)(feature_map, classes)
        return logits, feature_map, gradient

    graph = jax.jit(run)

    def compiled(scans: Floats, classes: Ints) -> tuple[Floats, Floats, Floats]:
        logits, feature_map, gradient = graph(scans, classes)
        return np.asarray(logits), np.asarray(feature_map), np.asarray(gradient)

    return compiled
