"""Random views of training scans, computed on the device: one affine transformation and one interpolation per scan."""

import math
from typing import Any

import keras
from keras import layers, ops

from core.networks.recipe import Augmentation


@keras.saving.register_keras_serializable("stagelens")
class RandomView(layers.Layer):
    """Rotates, shifts, zooms, shears and flips every scan of a batch at random, only during training.

    All of it is one matrix, so a scan is interpolated once and not once for each kind of change. All slices of a volume
    undergo the same change, within their plane.
    """

    def __init__(self, augmentation: Augmentation, seed: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self.augmentation = augmentation
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_jit = keras.backend.backend() != "tensorflow"  # XLA has no ImageProjectiveTransform

    def call(self, scans: Any, training: bool | None = None) -> Any:
        """Change scans (N × H × W × 1 or N × D × H × W × 1) while training; otherwise leave them unchanged."""
        if not training:
            return scans
        if len(scans.shape) == 4:
            return self._moved(scans)
        planes = ops.transpose(ops.squeeze(scans, -1), (0, 2, 3, 1))  # the slices as channels
        return ops.expand_dims(ops.transpose(self._moved(planes), (0, 3, 1, 2)), -1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape, which does not change."""
        return input_shape

    def _moved(self, scans: Any) -> Any:
        height, width = scans.shape[1], scans.shape[2]
        matrix = self._matrix(ops.shape(scans)[0], float(height), float(width))
        return ops.image.affine_transform(
            scans, matrix, interpolation="bilinear", fill_mode=self.augmentation.fill, data_format="channels_last"
        )

    def _matrix(self, count: Any, height: float, width: float) -> Any:
        """Return N × 8: where each pixel (x, y) of the view comes from, relative to the centre of the scan."""
        how = self.augmentation
        turn = self._between(count, math.radians(how.rotation_degrees))
        slant = ops.tan(self._between(count, math.radians(how.shear_degrees)))
        across = (1 + self._between(count, how.zoom)) * self._sign(count, how.flip_horizontal)
        down = (1 + self._between(count, how.zoom)) * self._sign(count, how.flip_vertical)
        right, below = self._between(count, how.shift * width), self._between(count, how.shift * height)
        cosine, sine = ops.cos(turn), ops.sin(turn)
        a, b = cosine * across, (cosine * slant - sine) * down
        d, e = sine * across, (sine * slant + cosine) * down
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        c = middle_x - a * (middle_x + right) - b * (middle_y + below)
        f = middle_y - d * (middle_x + right) - e * (middle_y + below)
        none = ops.zeros_like(a)
        return ops.stack([a, b, c, d, e, f, none, none], axis=1)

    def _between(self, count: Any, limit: float) -> Any:
        if not limit:
            return ops.zeros((count,), "float32")
        return keras.random.uniform((count,), -limit, limit, seed=self.seed_generator)

    def _sign(self, count: Any, flip: bool) -> Any:
        if not flip:
            return ops.ones((count,), "float32")
        return ops.where(keras.random.uniform((count,), seed=self.seed_generator) < 0.5, -1.0, 1.0)
