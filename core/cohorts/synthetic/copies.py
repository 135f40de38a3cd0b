"""Changed copies of slices, as augmented sets hold them and viewers export them."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Change = Callable[[Picture], Picture]


def moved(picture: Picture, *, turn: float = 0, zoom: float = 1, shift: tuple[int, int] = (0, 0)) -> Picture:
    """Turn by degrees, zoom and shift by pixels about the middle."""
    rows, columns = picture.shape
    matrix = np.asarray(cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), turn, zoom), np.float64)
    matrix[:, 2] += shift
    return np.asarray(cv2.warpAffine(picture, matrix, (columns, rows)), np.uint8)


def recompressed(picture: Picture) -> Picture:
    """Write and read as JPEG of quality 40."""
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def exported(picture: Picture, *, margin: float = 0.1) -> Picture:
    """Draw a slice on a square canvas with margins and a letter, as viewers export it."""
    scale = 512 * (1 - 2 * margin) / picture.shape[0]
    shown = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    canvas = np.zeros((512, 512), np.uint8)
    top, left = (512 - shown.shape[0]) // 2, (512 - shown.shape[1]) // 2
    canvas[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    cv2.putText(canvas, "R", (8, 256), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2)
    return canvas


COPIES: dict[str, Change] = {
    "mirrored": lambda picture: picture[:, ::-1],
    "upside down": lambda picture: picture[::-1],
    "half turned": lambda picture: picture[::-1, ::-1],
    "turned by 8°": lambda picture: moved(picture, turn=8),
    "shifted by 7 and 9 pixels": lambda picture: moved(picture, shift=(7, 9)),
    "zoomed to 0.92, turned by 3°": lambda picture: moved(picture, turn=-3, zoom=0.92),
    "1.25 times brighter": lambda picture: np.clip(1.25 * picture.astype(float), 0, 255).astype(np.uint8),
    "recompressed at quality 40": recompressed,
}
