"""Architectures missing from `keras.applications`: basic-block ResNets and a plain stack, for slices and volumes.

He et al., Deep Residual Learning for Image Recognition, CVPR 2016 (table 1, figure 5 left). Layers are named, padded
and scaled as in torchvision and timm, so that published ResNet18 weights fit.
"""

from typing import Any

from keras import layers

EPSILON, MOMENTUM = 1e-5, 0.9


def residual_network(x: Any, *, widths: tuple[int, ...], blocks: tuple[int, ...]) -> Any:
    """Build a residual network of basic blocks.

    Args:
        x: Keras tensor, N × H × W × channels, or N × D × H × W × channels.
        widths: Channels of each stage.
        blocks: Number of blocks of each stage; every stage but the first halves the sides.
    """
    x = _convolution(x, widths[0], kernel=7, stride=2, name="conv1")
    x = layers.ReLU(name="relu")(_norm(x, "bn1"))
    pool = _of(x, "MaxPooling")
    x = pool(3, strides=2, name="maxpool")(_padded(x, 1, "maxpool_pad"))
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
        for block in range(count):
            stride = 2 if stage > 1 and block == 0 else 1
            x = _basic_block(x, width, stride, f"layer{stage}_{block}")
    return x


def plain_network(x: Any, *, widths: tuple[int, ...]) -> Any:
    """Build convolution, BatchNorm, ReLU blocks with a pooling that halves every side between them.

    Args:
        x: As for `residual_network`.
        widths: Channels of each block.
    """
    for number, width in enumerate(widths, start=1):
        if number > 1:
            x = _of(x, "MaxPooling")(2, name=f"block{number}_pool")(x)
        x = _convolution(x, width, kernel=3, name=f"block{number}_conv")
        x = layers.ReLU(name=f"block{number}_relu")(_norm(x, f"block{number}_bn"))
    return x


def _basic_block(x: Any, width: int, stride: int, name: str) -> Any:
    shortcut = x
    if stride > 1 or x.shape[-1] != width:
        shortcut = _convolution(x, width, kernel=1, stride=stride, name=f"{name}_downsample_0")
        shortcut = _norm(shortcut, f"{name}_downsample_1")
    x = _convolution(x, width, kernel=3, stride=stride, name=f"{name}_conv1")
    x = layers.ReLU(name=f"{name}_relu")(_norm(x, f"{name}_bn1"))
    x = _norm(_convolution(x, width, kernel=3, name=f"{name}_conv2"), f"{name}_bn2")
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([shortcut, x]))


def _convolution(x: Any, width: int, *, kernel: int, stride: int = 1, name: str) -> Any:
    x = _padded(x, kernel // 2, f"{name}_pad")
    layer = _of(x, "Conv")
    return layer(width, kernel, strides=stride, use_bias=False, kernel_initializer="he_normal", name=name)(x)


def _padded(x: Any, by: int, name: str) -> Any:
    return _of(x, "ZeroPadding")(by, name=name)(x) if by else x


def _norm(x: Any, name: str) -> Any:
    return layers.BatchNormalization(epsilon=EPSILON, momentum=MOMENTUM, name=name)(x)


def _of(x: Any, kind: str) -> Any:
    """Return the layer class of a kind for the tensor's number of dimensions."""
    return getattr(layers, f"{kind}{len(x.shape) - 2}D")
