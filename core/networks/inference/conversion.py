"""From a network in Keras to a compiled forward pass: OpenVINO if it gives the network's own logits, else Keras."""

from typing import Any

import keras
import numpy as np

from core.networks.architectures.network import Network
from core.networks.backend import compile_outputs
from core.networks.inference.engine import (
    Body,
    Floats,
    Layout,
    Pass,
    openvino,
    openvino_settings,
    pass_of,
    wants_openvino,
)
from core.networks.inference.receptive_fields import cell_centres
from core.networks.inference.submodels import body, layers_of

SAME = 1e-3  # relative to the largest logit, or to 1; folded and unfolded BatchNorm differ by 5e-5
PROBES = 2


def compile_body(network: Network, *, engine: str = "auto") -> Body:
    """Compile the pass from scans at the network's size to feature maps and logits.

    Args:
        network: OpenVINO copies its present weights; Keras follows later changes.
        engine: "openvino", "keras", or "auto": OpenVINO if it is installed and passes the parity check.
    """
    return compiled_body(network, engine=engine)[0]


def compiled_body(network: Network, *, engine: str = "auto") -> tuple[Body, Any]:
    """Do the same, and return OpenVINO's compiled model beside it; None where Keras runs the pass."""
    model, layout = body(network), layout_of(network)
    slow = Body("keras", _keras(model), layout)
    if engine == "keras" or not (engine == "openvino" or wants_openvino()):
        return slow, None
    try:
        ready = _converted(model)
        fast = Body("openvino", pass_of(ready), layout)
    except Exception:  # noqa: BLE001 - whatever the third-party converter fails on, Keras can do
        return slow, None
    return (fast, ready) if _same(fast.run, slow.run, network) else (slow, None)


def layout_of(network: Network) -> Layout:
    """Return what reading needs to know of a network besides its recipe."""
    return Layout(network.target_layer, {layer: cell_centres(network, layer) for layer in layers_of(network)})


def _same(fast: Pass, slow: Pass, network: Network) -> bool:
    """Tell whether both return the same logits for a random and for a smooth scan."""
    shape = (PROBES, *network.input_shape)
    probes = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    probes[0] = np.linspace(0, 255, probes[0].size, dtype=np.float32).reshape(shape[1:])
    expected, found = slow(probes)[1], fast(probes)[1]
    return bool(np.abs(found - expected).max() <= SAME * max(1.0, float(np.abs(expected).max())))


def _converted(model: keras.Model) -> Any:
    """Let OpenVINO compile a model."""
    core = openvino().Core()
    import tensorflow as tf
    from openvino.frontend import FrontEndManager
    from openvino.frontend.tensorflow.utils import create_tf_graph_iterator

    signature = [tf.TensorSpec((None, *model.input.shape[1:]), tf.float32)]
    graph = tf.function(lambda given: model(given, training=False), input_signature=signature)
    frontend = FrontEndManager().load_by_framework("tf")
    iterator = create_tf_graph_iterator(graph.get_concrete_function(), None, None, None, share_weights=True)
    converted = frontend.convert(frontend.load(iterator))
    return core.compile_model(converted, "CPU", openvino_settings())


def _keras(model: keras.Model) -> Pass:
    run = compile_outputs(model)

    def both(given: Floats) -> tuple[Floats, Floats]:
        feature_map, logits = run(given)
        return feature_map, logits

    return both
