"""The fastest available forward pass, and what else reading needs to know of a network. Knows no Keras.

OpenVINO folds BatchNorm and fuses operations around convolutions; on a CPU it takes two thirds of the time of a
compiled TensorFlow pass (`benchmarks/explain.py`). A network that it has compiled once is kept and read back
(`core.networks.inference.compiled`) without the network library; gradients stay in Keras.

The package openvino-telemetry, which comes with OpenVINO, reports its use to its makers without asking. It is never
loaded: OpenVINO works without it, and its converter is called through its frontend.
"""

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.backend_choice import settled_backend

Floats = NDArray[np.float32]
Pass = Callable[[Floats], tuple[Floats, Floats]]
Centres = tuple[NDArray[np.float64], ...]
THREADS_VARIABLE = "STAGELENS_THREADS"


@dataclass(frozen=True, eq=False)
class Layout:
    """What is known of a network besides its recipe.

    Attributes:
        target_layer: Name of the layer whose output is the feature map.
        centres: For each layer at which heatmaps can be made, from the finest to the coarsest, where its cells lie in
            the network's input: float64, one array an axis, as by `core.networks.inference.receptive_fields`.
    """

    target_layer: str
    centres: Mapping[str, Centres]


@dataclass(frozen=True, eq=False)
class Body:
    """A compiled forward pass.

    Attributes:
        engine: What runs it: "openvino" or "keras".
        run: From N × (depth ×) height × width × 1 to feature maps, N × … × channels, and N × classes logits, float32.
        layout: Of the network.
    """

    engine: str
    run: Pass
    layout: Layout


def stretched(cells: Sequence[int], shape: Sequence[int]) -> Centres:
    """Return where cells lie that share an input of this shape evenly among them."""
    return tuple((np.arange(count) + 0.5) * side / count - 0.5 for count, side in zip(cells, shape, strict=True))


def wants_openvino() -> bool:
    """Tell whether networks are compiled with OpenVINO: it converts those of the TensorFlow backend."""
    return settled_backend().backend == "tensorflow" and importlib.util.find_spec("openvino") is not None


def openvino() -> Any:
    """Import OpenVINO without its telemetry."""
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)  # importing it fails from here on
    import openvino

    return openvino


def openvino_settings() -> dict[str, Any]:
    """Return how OpenVINO computes: in float32, on all cores or as many as $STAGELENS_THREADS says.

    Its threads are not pinned to cores: those of two processes would be pinned to the same ones.
    """
    threads = os.environ.get(THREADS_VARIABLE, "")
    return {
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
        **({"INFERENCE_NUM_THREADS": int(threads)} if threads.isdigit() else {}),
    }


def pass_of(ready: Any) -> Pass:
    """Return the pass of a model that OpenVINO has compiled from a network's body."""
    inputs = len(ready.inputs[0].partial_shape)
    by_rank = {len(output.partial_shape): index for index, output in enumerate(ready.outputs)}
    feature_map, logits = by_rank[inputs], by_rank[2]

    def run(given: Floats) -> tuple[Floats, Floats]:
        request = ready.create_infer_request()
        found = request.infer([np.ascontiguousarray(given, np.float32)], share_inputs=True)
        return np.array(found[feature_map]), np.array(found[logits])

    return run
