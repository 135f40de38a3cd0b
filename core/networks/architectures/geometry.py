"""Where a scan lies in the network's input: scaled with its aspect ratio kept, centred, padded with black.

Knows no Keras: whatever reads a scan brings it to the network's size here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.networks.recipe import Recipe

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Fit:
    """The scan's position in its padded canvas, before the canvas is scaled to the network's size; in scan pixels.

    Attributes:
        canvas_height: Rows of the canvas.
        canvas_width: Columns of the canvas.
        top: Rows of padding above the scan.
        left: Columns of padding left of the scan.
    """

    canvas_height: int
    canvas_width: int
    top: int
    left: int


def fit_of(shape: tuple[int, int], target: tuple[int, int]) -> Fit:
    """Return how a scan is padded to the aspect ratio of the network's input, as Keras' `pad_to_aspect_ratio` does.

    Both ends get the same, so that of an odd number of missing rows one stays missing.

    Args:
        shape: Rows and columns of the scan.
        target: Rows and columns of the network's input.
    """
    height, width = shape
    target_height, target_width = target
    top = max(0, int(width * target_height / target_width) - height) // 2
    left = max(0, int(height * target_width / target_height) - width) // 2
    return Fit(height + 2 * top, width + 2 * left, top, left)


def input_shape(recipe: Recipe) -> tuple[int, ...]:
    """Return height, width, 1 of the input of a recipe's network; depth first for volumes."""
    plane = (recipe.height, recipe.width, 1)
    return plane if recipe.depth is None else (recipe.depth, *plane)


def fit_size(recipe: Recipe, images: Sequence[NDArray]) -> Floats:
    """Bring images of any size to a recipe's size, as the network's own first layer does.

    That layer is Keras' Resizing with antialiasing: a triangle as wide as a pixel of the coarser grid, which is
    Pillow's bilinear filter; both agree to within rounding.

    Args:
        recipe: The recipe that gives the size.
        images: Arrays H × W, or D × H × W for volumes, grey levels in [0, 255].

    Returns:
        float32, N × height × width × 1, with the aspect ratio kept and black padding; the network does not change such
        an array further. Volumes are stretched to N × depth × height × width × 1.
    """
    shape = input_shape(recipe)[:-1]
    inputs = np.empty((len(images), *shape, 1), np.float32)
    fit = _fitted if recipe.depth is None else _stretched
    for index, image in enumerate(images):
        exact = np.asarray(image, np.float32)
        inputs[index, ..., 0] = exact if exact.shape == shape else fit(exact, shape)
    return inputs


def _fitted(image: Floats, shape: tuple[int, ...]) -> Floats:
    fit = fit_of((image.shape[0], image.shape[1]), (shape[0], shape[1]))
    canvas = image
    if (fit.canvas_height, fit.canvas_width) != image.shape:
        canvas = np.zeros((fit.canvas_height, fit.canvas_width), np.float32)
        canvas[fit.top : fit.top + image.shape[0], fit.left : fit.left + image.shape[1]] = image
    scaled = Image.fromarray(canvas).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(scaled, np.float32)


def _stretched(volume: Floats, shape: tuple[int, ...]) -> Floats:
    from skimage.transform import resize

    return np.asarray(resize(volume, shape, order=1, anti_aliasing=True), np.float32)


def nearest_fitted(labels: NDArray[np.uint8], target: tuple[int, int]) -> NDArray[np.uint8]:
    """Resample labels of a scan's pixels to the network's size, padded as by `fit_of`: nearest neighbour, 0 outside.

    Args:
        labels: uint8, H × W.
        target: Rows and columns of the network's input.
    """
    fit = fit_of((labels.shape[0], labels.shape[1]), target)
    canvas = np.zeros((fit.canvas_height, fit.canvas_width), np.uint8)
    canvas[fit.top : fit.top + labels.shape[0], fit.left : fit.left + labels.shape[1]] = labels
    return np.asarray(cv2.resize(canvas, target[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
