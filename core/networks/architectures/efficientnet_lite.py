"""EfficientNet-Lite 0 to 2, the EfficientNets without squeeze-and-excitation and with ReLU6.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019 (table 1, equation 3);
the Lite form is that of Google's `tpu/models/official/efficientnet/lite`. Layers are padded as TensorFlow's "same", so
that weights trained there fit (`core.networks.weights.packaged`).
"""

import math
from typing import Any, NamedTuple

from keras import layers

EPSILON, MOMENTUM = 1e-3, 0.99
STEM, TOP = 32, 1280  # channels that do not grow with the width


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expansion: int
    width: int


STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


def efficientnet_lite(x: Any, *, width: float, depth: float, output_stride: int = 32) -> Any:
    """Build an EfficientNet-Lite up to its last activation.

    Args:
        x: Keras tensor, N × H × W × 3.
        width: Factor of the stages' channels, rounded to multiples of eight.
        depth: Factor of the stages' blocks, except the first and the last stage's.
        output_stride: Pixels of the input a cell of the result; where a stage would halve the sides further, its
            convolutions are dilated instead (Chen et al., DeepLab, TPAMI 2018, section 3.1). The weights are the same.

    Returns:
        Keras tensor, N × H / output_stride × W / output_stride × 1280, rounded up.
    """
    x = layers.Conv2D(STEM, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(x)
    x = _activated(x, "stem")
    number, stride, dilation = 0, 2, 1
    for index, stage in enumerate(STAGES):
        inner = 0 < index < len(STAGES) - 1
        for repeat in range(math.ceil(stage.repeats * depth) if inner else stage.repeats):
            step = stage.stride if repeat == 0 else 1
            widens = step > 1 and stride * step > output_stride
            x = _block(x, stage, _rounded(stage.width * width), f"block{number}", 1 if widens else step, dilation)
            stride, dilation = (stride, dilation * step) if widens else (stride * step, dilation)
            number += 1
    x = layers.Conv2D(TOP, 1, padding="same", use_bias=False, name="top_conv")(x)
    return _activated(x, "top")


def _block(x: Any, stage: _Stage, width: int, name: str, step: int, dilation: int) -> Any:
    """Build an inverted bottleneck: widened, filtered channel by channel, narrowed, and added to what it was given."""
    given, channels = x, x.shape[-1] * stage.expansion
    if stage.expansion > 1:
        x = layers.Conv2D(channels, 1, padding="same", use_bias=False, name=f"{name}_expand_conv")(x)
        x = _activated(x, f"{name}_expand")
    x = layers.DepthwiseConv2D(
        stage.kernel,
        strides=step,
        dilation_rate=dilation,
        padding="same",
        use_bias=False,
        name=f"{name}_depthwise_conv",
    )(x)
    x = _activated(x, f"{name}_depthwise")
    x = layers.Conv2D(width, 1, padding="same", use_bias=False, name=f"{name}_project_conv")(x)
    x = _norm(x, f"{name}_project_bn")
    return x if given.shape[-1] != width else layers.Add(name=f"{name}_add")([x, given])


def _activated(x: Any, name: str) -> Any:
    return layers.ReLU(6.0, name=f"{name}_activation")(_norm(x, f"{name}_bn"))


def _norm(x: Any, name: str) -> Any:
    return layers.BatchNormalization(epsilon=EPSILON, momentum=MOMENTUM, name=name)(x)


def _rounded(channels: float) -> int:
    """Round channels to a multiple of eight, but never down by more than a tenth."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest
