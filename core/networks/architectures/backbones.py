"""The convolutional networks a recipe can name. This table knows no Keras; building one imports it.

A backbone is added with one entry here, or with `register` from anywhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

CAFFE = ((1.0, 1.0, 1.0), (-103.939, -116.779, -123.68))  # blue, green, red; grey has all three alike
UNIT = ((1 / 127.5,) * 3, (-1.0,) * 3)  # to [-1, 1]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STANDARD = (
    tuple(1 / (255 * std) for std in _STD),
    tuple(-mean / std for mean, std in zip(_MEAN, _STD, strict=True)),
)
# EfficientNet divides by 255 itself; its own normalisation is left neutral, so that ours is the only one.
STANDARD_TIMES_255 = tuple(tuple(255 * value for value in values) for values in STANDARD)
UNIT_RANGE = ((1 / 255,), (0.0,))


@dataclass(frozen=True)
class Backbone:
    """One architecture without its classifier.

    Attributes:
        name: As recipes call it.
        title: As people call it.
        build: From the prepared input (a Keras tensor, N × H × W × 3 or N × D × H × W × 1) to the feature map.
        preprocessing: Factors and offsets, channel by channel, that its ImageNet weights expect of grey [0, 255].
        target_layer: The last layer with a height and a width: what Grad-CAM looks at. For ResNet50 that is the
            output of the last block, not its last convolution, which lies before BatchNorm and the residual sum.
        last_block: The first layer of the last block: from here on "last_block" trains.
        parameters: Published number of weights, in millions: for 2D with ImageNet's classifier of 1,000 classes.
        dimensions: 2 for slices, 3 for volumes.
        smallest: Least pixels a side.
        application: Its function in `keras.applications`, where ImageNet weights can be had; "" for others.
        weights_file: Name of the ImageNet weights file at its source, for those who fetch it by hand.
    """

    name: str
    title: str
    build: Callable[[Any], Any] = field(repr=False)
    preprocessing: tuple[tuple[float, ...], ...]
    target_layer: str
    last_block: str
    parameters: float
    dimensions: int = 2
    smallest: int = 32
    application: str = ""
    weights_file: str = ""


def from_keras(application: str, target_layer: str) -> Callable[[Any], Any]:
    """Return how to build an architecture of `keras.applications` up to its target layer."""

    def build(x: Any) -> Any:
        import keras

        model = getattr(keras.applications, application)(
            include_top=False, weights=None, input_shape=tuple(x.shape[1:]), input_tensor=x
        )
        return model.get_layer(target_layer).output

    return build


def residual(widths: tuple[int, ...], blocks: tuple[int, ...]) -> Callable[[Any], Any]:
    """Return how to build a residual network of basic blocks, for slices or volumes."""

    def build(x: Any) -> Any:
        from core.networks.architectures.residual import residual_network

        return residual_network(x, widths=widths, blocks=blocks)

    return build


def plain(widths: tuple[int, ...]) -> Callable[[Any], Any]:
    """Return how to build a plain stack of convolutions and poolings."""

    def build(x: Any) -> Any:
        from core.networks.architectures.residual import plain_network

        return plain_network(x, widths=widths)

    return build


def _keras(
    name: str, title: str, application: str, preprocessing: tuple[tuple[float, ...], ...], layers: tuple[str, str],
    parameters: float, file: str, *, smallest: int = 32,
) -> Backbone:  # fmt: skip
    return Backbone(name, title, from_keras(application, layers[0]), preprocessing, *layers, parameters,
                    smallest=smallest, application=application, weights_file=file)  # fmt: skip


_KERNELS = "_weights_tf_dim_ordering_tf_kernels_notop.h5"
BACKBONES: dict[str, Backbone] = {}


def register(backbone: Backbone) -> None:
    """Make a backbone known to recipes.

    Raises:
        ValueError: The name is taken.
    """
    if backbone.name in BACKBONES:
        raise ValueError(f"two backbones are called {backbone.name!r}")
    BACKBONES[backbone.name] = backbone


for _backbone in (
    Backbone("resnet18", "ResNet18", residual((64, 128, 256, 512), (2, 2, 2, 2)), STANDARD, "layer4_1_out",
             "layer4_0_conv1", 11.69, weights_file="resnet18.tv_in1k, model.safetensors (timm)"),
    _keras("resnet50", "ResNet50", "ResNet50", CAFFE, ("conv5_block3_out", "conv5_block1_1_conv"), 25.56,
           f"resnet50{_KERNELS}"),
    _keras("resnet152v2", "ResNet152V2", "ResNet152V2", UNIT, ("post_relu", "conv5_block1_preact_bn"), 60.4,
           f"resnet152v2{_KERNELS}"),
    _keras("inceptionv3", "InceptionV3", "InceptionV3", UNIT, ("mixed10", "mixed8"), 23.9,
           f"inception_v3{_KERNELS}", smallest=75),
    _keras("densenet121", "DenseNet121", "DenseNet121", STANDARD, ("relu", "conv5_block1_0_bn"), 8.1,
           f"densenet121{_KERNELS}"),
    _keras("densenet201", "DenseNet201", "DenseNet201", STANDARD, ("relu", "conv5_block1_0_bn"), 20.2,
           f"densenet201{_KERNELS}"),
    _keras("efficientnetb0", "EfficientNetB0", "EfficientNetB0", STANDARD_TIMES_255,
           ("top_activation", "block7a_expand_conv"), 5.3, "efficientnetb0_notop.h5"),
    _keras("mobilenetv2", "MobileNetV2", "MobileNetV2", UNIT, ("out_relu", "block_16_expand"), 3.5,
           "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"),
    Backbone("simple2dcnn", "Simple2DCNN", plain((16, 32, 64)), UNIT_RANGE, "block3_relu", "block3_conv", 0.089),
    Backbone("simple3dcnn", "Simple3DCNN", plain((32, 64, 128, 256, 128)), UNIT_RANGE, "block5_relu", "block5_conv", 2.0,
             dimensions=3),
    Backbone("resnet3d", "ResNet3D", residual((32, 64, 128, 256), (2, 2, 4, 2)), UNIT_RANGE, "layer4_1_out",
             "layer4_0_conv1", 10.0, dimensions=3),
    Backbone("resnet3d_small", "ResNet3D-Small", residual((32, 64, 128, 224), (1, 1, 1, 1)), UNIT_RANGE, "layer4_0_out",
             "layer4_0_conv1", 3.0, dimensions=3),
):  # fmt: skip
    register(_backbone)
