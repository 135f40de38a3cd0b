"""The fastest available forward pass: OpenVINO if it reproduces the network's own logits, otherwise Keras.

OpenVINO folds BatchNorm and fuses operations around convolutions; on a CPU it takes two thirds of the time of a
compiled TensorFlow pass (`benchmarks/explain.py`). Gradients stay in Keras.

The package openvino-telemetry, which comes with OpenVINO, reports its use to its makers without asking. It is never
loaded: OpenVINO works without it, and its converter is called through its frontend.
"""

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from core.networks.architectures.network import Network
from core.networks.backend import backend_name, compile_outputs
from core.networks.devices import accelerated
from core.networks.inference.submodels import body

Floats = NDArray[np.float32]
Pass = Callable[[Floats], tuple[Floats, Floats]]
SAME = 1e-3  # relative to the largest logit, or to 1; folded and unfolded BatchNorm differ by 5e-5
PROBES = 2


def compile_body(network: Network, *, engine: str = "auto") -> tuple[str, Pass]:
    """Compile the pass from scans at the network's size to feature maps and logits.

    Args:
        network: OpenVINO copies its present weights; Keras follows later changes.
        engine: "openvino", "keras", or "auto": OpenVINO on CPUs if it is installed and passes the parity check.

    Returns:
        Name of the engine, and a function of N × (depth ×) height × width × 1 that returns N × … × channels and
        N × classes, both float32.
    """
    model = body(network)
    slow = _keras(model)
    if engine == "keras" or not (engine == "openvino" or _wanted()):
        return "keras", slow
    try:
        fast = _openvino(model)
    except Exception:  # noqa: BLE001 - whatever the third-party converter fails on, Keras can do
        return "keras", slow
    return ("openvino", fast) if _same(fast, slow, network) else ("keras", slow)


def _wanted() -> bool:
    return backend_name() == "tensorflow" and not accelerated() and importlib.util.find_spec("openvino") is not None


def _same(fast: Pass, slow: Pass, network: Network) -> bool:
    """Tell whether both return the same logits for a random and for a smooth scan."""
    shape = (PROBES, *network.input_shape)
    probes = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    probes[0] = np.linspace(0, 255, probes[0].size, dtype=np.float32).reshape(shape[1:])
    expected, found = slow(probes)[1], fast(probes)[1]
    return bool(np.abs(found - expected).max() <= SAME * max(1.0, float(np.abs(expected).max())))


def _openvino(model: keras.Model) -> Pass:
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)  # importing it fails from here on
    import openvino
    import tensorflow as tf
    from openvino.frontend import FrontEndManager
    from openvino.frontend.tensorflow.utils import create_tf_graph_iterator

    signature = [tf.TensorSpec((None, *model.input.shape[1:]), tf.float32)]
    graph = tf.function(lambda given: model(given, training=False), input_signature=signature)
    frontend = FrontEndManager().load_by_framework("tf")
    iterator = create_tf_graph_iterator(graph.get_concrete_function(), None, None, None, share_weights=True)
    converted = frontend.convert(frontend.load(iterator))
    ready: Any = openvino.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    by_rank = {len(output.partial_shape): index for index, output in enumerate(ready.outputs)}
    feature_map, logits = by_rank[len(model.input.shape)], by_rank[2]

    def run(given: Floats) -> tuple[Floats, Floats]:
        request = ready.create_infer_request()
        found = request.infer([np.ascontiguousarray(given, np.float32)], share_inputs=True)
        return np.array(found[feature_map]), np.array(found[logits])

    return run


def _keras(model: keras.Model) -> Pass:
    run = compile_outputs(model)

    def both(given: Floats) -> tuple[Floats, Floats]:
        feature_map, logits = run(given)
        return feature_map, logits

    return both
