"""The only code that depends on Keras' backend: reproducibility, compiled passes, gradients."""

import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from core.errors import StageLensError
from core.networks.architectures.network import Network
from core.networks.devices import accelerated

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Forward = Callable[[NDArray], Floats]
Gradient = Callable[[Floats, Ints], tuple[Floats, Floats]]


def backend_name() -> str:
    """Return the name of Keras' backend: tensorflow, torch or jax."""
    return str(keras.backend.backend())


def make_repeatable(seed: int) -> None:
    """Seed every random generator and make the backend's operations repeat bit for bit; JAX's always do."""
    keras.utils.set_random_seed(seed)
    if backend_name() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend_name() == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


def compile_forward(network: Network) -> Forward:
    """Compile the forward pass from scans, N × H × W × 1 (or volumes), to N × classes logits, for any N, H and W."""
    return compile_model(network.whole)


def compile_model(model: keras.Model) -> Forward:
    """Compile a model with one input and one output for prediction: any number of scans in, float32 out."""
    run = compile_outputs(model)
    return lambda given: run(given)[0]


def compile_outputs(model: keras.Model) -> Callable[[NDArray], list[Floats]]:
    """Compile a model with one input for prediction: any number of scans in, one float32 array per output out."""
    match backend_name():
        case "tensorflow":
            import tensorflow as tf

            tf.get_logger().setLevel("ERROR")  # it warns of retracing when a second network is compiled
            graph = tf.function(
                lambda given: keras.tree.flatten(model(given, training=False)),
                input_signature=[tf.TensorSpec((None, *model.input.shape[1:]), tf.float32)],
            )
            return lambda given: [np.asarray(found) for found in graph(tf.constant(given, tf.float32))]
        case "torch":
            import torch

            def run(given: NDArray) -> list[Floats]:
                with torch.no_grad():
                    found = keras.tree.flatten(model(given.astype(np.float32), training=False))
                return [one.detach().cpu().numpy() for one in found]

            return run
        case _:

            def padded(given: NDArray) -> list[Floats]:
                """Repeat the last scan up to a power of two: JAX compiles anew for every number of scans."""
                count = len(given)
                full = 1 << (count - 1).bit_length()
                given = np.concatenate([given, np.repeat(given[-1:], full - count, axis=0)])
                found = keras.tree.flatten(model.predict_on_batch(given.astype(np.float32)))
                return [np.asarray(one)[:count] for one in found]

            return padded


def in_batches(forward: Forward, given: NDArray, batch_size: int) -> Floats:
    """Run a compiled forward pass over any number of scans, one batch at a time."""
    starts = range(0, len(given), batch_size)
    return np.concatenate([forward(given[start : start + batch_size]) for start in starts])


def compile_for_training(model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: keras.losses.Loss) -> None:
    """Compile a model for `train_on_batch`.

    On CPUs TensorFlow's XLA makes convolutions slower, so it is used on accelerators only.
    """
    jit: Any = "auto"
    if backend_name() == "tensorflow" and not accelerated():
        jit = False
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=jit)
    optimizer.build(model.trainable_variables)


def compile_gradient(model: keras.Model, *, dropout: bool = False) -> Gradient:
    """Compile a forward pass with the gradient of one logit per scan with respect to the model's input.

    Only the model itself is differentiated: given the part of a network that follows the layer of interest
    (`core.networks.inference.submodels.split_at`), nothing else is on the tape.

    Args:
        model: A model from any input to N × classes logits.
        dropout: Whether dropout layers are active; the models given have no BatchNorm after a dropout.

    Returns:
        A function of the model's input (N × …) and class indices (int64, N) that returns logits and gradient.
    """
    match backend_name():
        case "tensorflow":
            return _tensorflow_gradient(model, dropout)
        case "torch":
            return _torch_gradient(model, dropout)
        case "jax":
            return _jax_gradient(model, dropout)
        case other:
            raise StageLensError(f"heatmaps need the backend tensorflow, torch or jax. Received: {other}")


def _tensorflow_gradient(model: keras.Model, dropout: bool) -> Gradient:
    import tensorflow as tf

    def run(given: Any, classes: Any) -> tuple[Any, Any]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(given)
            logits = model(given, training=dropout)
            chosen = tf.gather(logits, classes, batch_dims=1)
        return logits, tape.gradient(chosen, given)

    signature = [tf.TensorSpec((None, *model.input.shape[1:]), tf.float32), tf.TensorSpec((None,), tf.int64)]
    graph = tf.function(run, input_signature=signature)

    def compiled(given: Floats, classes: Ints) -> tuple[Floats, Floats]:
        logits, gradient = graph(tf.constant(given, tf.float32), tf.constant(classes, tf.int64))
        return np.asarray(logits), np.asarray(gradient)

    return compiled


def _torch_gradient(model: keras.Model, dropout: bool) -> Gradient:
    import torch

    def compiled(given: Floats, classes: Ints) -> tuple[Floats, Floats]:
        tensor = keras.ops.convert_to_tensor(np.asarray(given, np.float32)).detach().requires_grad_(True)
        logits = model(tensor, training=dropout)
        wanted = torch.as_tensor(classes, device=logits.device)
        (gradient,) = torch.autograd.grad(logits.gather(1, wanted[:, None]).sum(), tensor)
        return logits.detach().cpu().numpy(), gradient.cpu().numpy()

    return compiled


def _jax_gradient(model: keras.Model, dropout: bool) -> Gradient:
    import jax

    def chosen_logits(given: Any, classes: Any) -> tuple[Any, Any]:
        logits = model(given, training=dropout)
        return jax.numpy.take_along_axis(logits, classes[:, None], axis=1).sum(), logits

    run = jax.grad(chosen_logits, has_aux=True)
    graph = run if dropout else jax.jit(run)  # a compiled pass would drop the same features every time

    def compiled(given: Floats, classes: Ints) -> tuple[Floats, Floats]:
        count = len(given)
        padded = 1 << (count - 1).bit_length()  # few sizes, as each is compiled separately
        rows = np.minimum(np.arange(padded), count - 1)
        gradient, logits = graph(np.asarray(given, np.float32)[rows], np.asarray(classes)[rows])
        return np.asarray(logits)[:count], np.asarray(gradient)[:count]

    return compiled
