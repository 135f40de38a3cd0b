"""ImageNet weights from the one quantised file that is available without a download hub: MobileNetV2 in int8.

The file is google-coral's `tf2_mobilenet_v2_1.0_224_ptq.tflite` (Apache-2.0). Its kernels are integers with one scale
per output channel, and BatchNorm is folded into them (Jacob et al. 2018, "Quantization and Training of Neural Networks
for Efficient Integer-Arithmetic-Only Inference", sections 2 and 3.2).
"""

import hashlib
import warnings
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from core.errors import WeightsError

SHA_256 = "5d3137241276e79c86d14a74fe43581398ae0e815191d3dba45495b810840e8c"
Folded = list[tuple[NDArray[np.float32], NDArray[np.float32]]]


def start_from_quantised(features: keras.Model, file: Path, scans: NDArray) -> None:
    """Load the kernels of the quantised file into a MobileNetV2, with BatchNorms that cancel out on the given scans.

    The mean and variance of each BatchNorm are those of these scans, and its scale and offset undo them: the network
    computes what the file's network does, and nearly so when training normalises by each batch's own statistics.

    Args:
        features: Model from grey scans to MobileNetV2's feature map.
        file: The file; only the one named above is opened, as TensorFlow Lite does not check what it reads.
        scans: N × height × width × 1 grey levels in [0, 255], like those to be trained on.

    Raises:
        WeightsError: It is another file, TensorFlow is not installed, or the network is not a MobileNetV2.
    """
    folded = _folded(file)
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    convolutions = [layer for layer in features.layers if isinstance(layer, kinds)]
    norms = [layer for layer in features.layers if isinstance(layer, keras.layers.BatchNormalization)]
    shapes = [tuple(layer.kernel.shape) for layer in convolutions]
    if shapes != [kernel.shape for kernel, _ in folded] or len(norms) != len(folded):
        raise WeightsError(f"{file.name} holds weights of MobileNetV2, but this network is not a MobileNetV2.")
    for layer, norm, (kernel, bias) in zip(convolutions, norms, folded, strict=True):
        layer.kernel.assign(kernel)
        _set_norm(norm, np.zeros_like(bias), np.ones_like(bias), bias)
    before = keras.Model(features.input, [layer.output for layer in convolutions])(scans, training=False)
    for norm, given, (_, bias) in zip(norms, before, folded, strict=True):
        values = keras.ops.convert_to_numpy(given).astype(np.float64)
        _set_norm(norm, values.mean((0, 1, 2)), values.var((0, 1, 2)), bias)


def _set_norm(norm: keras.layers.BatchNormalization, mean: NDArray, variance: NDArray, bias: NDArray) -> None:
    """Make a BatchNorm that only adds the bias, as long as these are the mean and the variance."""
    for variable, value in (
        (norm.gamma, np.sqrt(variance + norm.epsilon)),
        (norm.beta, bias + mean),
        (norm.moving_mean, mean),
        (norm.moving_variance, variance),
    ):
        variable.assign(value.astype(np.float32))


def _folded(file: Path) -> Folded:
    """Return kernel and bias of every convolution except the classifier's, in the order of execution."""
    if not file.is_file():
        raise WeightsError(f"there is no weights file {file}.")
    if hashlib.sha256(file.read_bytes()).hexdigest() != SHA_256:
        raise WeightsError(f"{file.name} is not google-coral's tf2_mobilenet_v2_1.0_224_ptq.tflite; it is not opened.")
    try:
        from tensorflow import lite
    except ImportError as error:
        raise WeightsError(f"{file.name} is read by TensorFlow, which is not installed.") from error
    with warnings.catch_warnings(action="ignore"):  # announces its move to a separate package
        reader = lite.Interpreter(model_path=str(file))
    reader.allocate_tensors()
    details = {tensor["index"]: tensor for tensor in reader.get_tensor_details()}

    def floats(index: int) -> NDArray[np.float32]:
        how = details[index]["quantization_parameters"]
        stored = reader.get_tensor(index).astype(np.float32)
        shape = np.ones(stored.ndim, int)
        shape[how["quantized_dimension"]] = -1
        scaled = (stored - how["zero_points"].reshape(shape)) * how["scales"].reshape(shape)
        return np.asarray(scaled, np.float32)

    folded: Folded = []
    for operation in reader._get_ops_details():  # the only way to get the order of the operations
        if operation["op_name"] in {"CONV_2D", "DEPTHWISE_CONV_2D"}:
            kernel = floats(operation["inputs"][1])  # out × height × width × in, or 1 × height × width × channels
            folded.append((kernel.transpose(1, 2, 3, 0), floats(operation["inputs"][2])))
    return folded[:-1]
