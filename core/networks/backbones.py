"""The convolutional networks a recipe can name. This table knows no Keras; building one imports it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Backbone:
    """One architecture of `keras.applications`, without its classifier.

    Attributes:
        name: As recipes call it.
        application: Its function in `keras.applications`.
        channel_means: What its ImageNet weights expect subtracted from grey [0, 255], channel by channel.
        target_layer: The last layer with a height and a width: what Grad-CAM looks at. For ResNet50 that is the
            output of the last block, not its last convolution, which lies before BatchNorm and the residual sum.
        weights_file: Name of the ImageNet weights file at Keras, for those who fetch it by hand.
    """

    name: str
    application: str
    channel_means: tuple[float, float, float]
    target_layer: str
    weights_file: str


BACKBONES = {
    "resnet50": Backbone(
        "resnet50",
        "ResNet50",
        (103.939, 116.779, 123.68),  # blue, green, red: the "caffe" preprocessing; grey has all three alike
        "conv5_block3_out",
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
    ),
}
