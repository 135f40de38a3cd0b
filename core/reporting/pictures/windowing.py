"""A head in three planes: the pictures behind the sliders."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from core.scans.planes import PLANES, edge_letters, plane_picture
from core.scans.registration.head import ORIGIN_MM, SHAPE, StandardHead
from core.scans.scan import grey_of
from core.scans.volume import window_of

CROSSHAIR, MARKED, LETTERS = (255, 210, 90), (64, 200, 255), (235, 235, 235)
BRIGHTNESS_ABOVE = 1.5  # how far the window's slider reaches beyond what is white at first


def position_mm(axis: int) -> tuple[int, int]:
    """Return the first and last millimetre of the standard grid along an axis (right, front, up)."""
    return int(ORIGIN_MM[axis]), int(ORIGIN_MM[axis]) + SHAPE[axis] - 1


def window_limits(head: StandardHead) -> tuple[float, float, float]:
    """Return the least and greatest value to offer for a window, and the one that is white at first."""
    inside = head.unmasked[head.unmasked > 0]
    low, high = window_of(inside) if inside.size else (0.0, 1.0)
    return float(min(low, 0.0)), float(high * BRIGHTNESS_ABOVE), float(high)


def crosshair_picture(
    head: StandardHead,
    plane: str,
    point_mm: Sequence[float],
    *,
    window: tuple[float, float],
    marked_mm: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Draw one plane of a head with a crosshair.

    Args:
        head: A head in standard space; its skull is shown too.
        plane: "sagittal", "coronal" or "axial".
        point_mm: Where the three planes meet: right, front, up, in Talairach mm.
        window: Values shown as black and white.
        marked_mm: Lowest and highest slice that a network used, drawn as lines across the upright planes.

    Returns:
        uint8, H × W × 3, RGB: crown or front at the top, the patient's right (or front) at the left.
    """
    index = [round(point - origin) for point, origin in zip(point_mm, ORIGIN_MM, strict=True)]
    across = PLANES.index(plane)
    black, white = window if window[1] > window[0] else (window[0], window[0] + 1)
    grey = grey_of(np.take(head.unmasked, [index[across]], axis=across), (black, white)).astype(np.uint8)
    picture = cv2.cvtColor(np.ascontiguousarray(plane_picture(grey, plane, 0)), cv2.COLOR_GRAY2RGB)
    columns, rows = [axis for axis in range(3) if axis != across]
    height, width = picture.shape[:2]
    row, column = SHAPE[rows] - 1 - index[rows], SHAPE[columns] - 1 - index[columns]
    if marked_mm is not None and plane != "axial":
        for mm in marked_mm:
            line = SHAPE[2] - 1 - round(mm - ORIGIN_MM[2])
            cv2.line(picture, (0, line), (width - 1, line), MARKED, 1)
    cv2.line(picture, (0, row), (width - 1, row), CROSSHAIR, 1)
    cv2.line(picture, (column, 0), (column, height - 1), CROSSHAIR, 1)
    return with_edge_letters(np.asarray(picture, np.uint8), plane)


def with_edge_letters(picture: NDArray[np.uint8], plane: str) -> NDArray[np.uint8]:
    """Write which side is which on a picture of a plane (H × W grey or H × W × 3), near its upper edge."""
    lettered = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB) if picture.ndim == 2 else picture.copy()
    left, right = edge_letters(plane)
    for letter, column in ((left, 4), (right, lettered.shape[1] - 14)):
        cv2.putText(lettered, letter, (column, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, LETTERS, 1, cv2.LINE_AA)
    return np.asarray(lettered, np.uint8)
