"""Where a scan lies in the network's input: scaled with its aspect ratio kept, centred, padded with black."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


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

    Args:
        shape: Rows and columns of the scan.
        target: Rows and columns of the network's input.
    """
    height, width = shape
    target_height, target_width = target
    canvas_height = max(height, int(width * target_height / target_width))
    canvas_width = max(width, int(height * target_width / target_height))
    return Fit(canvas_height, canvas_width, (canvas_height - height) // 2, (canvas_width - width) // 2)


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
