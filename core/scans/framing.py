"""Pictures of slices as data sets and viewers hold them, brought into the frame of the slices networks learn from.

That frame is the one of the public Alzheimer set at its true size: 208 × 176 pixels of 1 mm, skull-stripped heads in
Talairach space, which all but fill the same box (measured on 800 of its slices: 134 to 139 mm wide, 0.80 to 0.85 times
as wide as long, the front end and the right edge within 1 mm of the same place). The most downloaded copy of the set is
squeezed to a square, where a head is 0.94 to 1.01 times as wide as long. Viewers put margins and letters around a
slice, and change its brightness.

Only pictures without an orientation are looked at: a picture straight from a DICOM file is as the scanner made it.
"""

import functools
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from core.scans.scan import BACKGROUND, Scan

FRAME = (208, 176)  # rows and columns, 1 mm
WIDTH, ENDS = 137.0, (189.0, 155.0)  # of the head's box in mm; where it ends, in rows and columns
SAME_WIDTH = 0.03  # a head whose width differs by less is not resized: its pixels are of 1 mm
PLACE_MM = 4.0  # a head that ends within so much of where it should is in place
BRIGHT, SPREAD, USUAL = 227.6, 7.2, 3.0  # 95th percentile of a head: mean and standard deviation over 200 people
AS_WIDE_AS_LONG = 0.9  # halfway between heads as they are and heads squeezed to a square
SQUARE = 0.02  # sides of a square picture differ by at most this fraction
MIN_HEAD = 0.15  # of the picture, or there is no head to place
UNSQUEEZED = "The head is as wide as long, as in copies squeezed to a square; it was brought back to its true shape."
PLACED = "The head was cut out of its margins and placed and sized as in the slices the network knows."
LEVELLED = "The picture is {than} than the slices the network knows; its brightness was brought to theirs."
LARGEST = 300  # pixels; larger squares keep their width
FLIPPED = "The picture was turned over as you asked: the back of the head is now at the top."
CLEARLY = 0.04  # of 800 slices of the public set 99 % exceed it, and no slice turned over comes above -0.02
# The left half of the mean axial slice of the ICBM 2009a T1 template, 8 mm below to 32 mm above the AC–PC line, back of
# the head at the top, cut to the head's box: uint8, 24 × 10.
HALF_HEAD = bytes.fromhex(
    "00000000000e467b7d23000000002182b3cfc19500000034aac0d9dbd4bb000024afd5d7dfe1cdba000589c4d9e8dece"
    "c7af004dbbc5dcefdac6bca60ea8c4c7e0e8dcc5bba044c0cee3efd7cfdbc69775c3c7dcf4d9b2d1ce9c8ec5c9d2e6e5"
    "c8b0bab587c3cad0dde4ebbdbcaa74bec7d5c8e0e8d1c0b265c7d0c3c2e1e6dcc4b835c0c9c4cae2e6e2c6b309b1d4c5"
    "c9dfe4e3c9a20177b2bec3dbe6e2cc990030adc4cedbefe4c8ad001aadc9d1d9f7e6cece000695d1deebfcf8e9be0000"
    "4abadaeaf7ffd4af00000b7dc6e4e9fcd4ab0000002d92bacaefdaa9000000013068a6c5dca1000000000003345f8147"
)


@dataclass(frozen=True)
class Box:
    """Where the head lies in a picture, in pixels: the first row and column, and how many there are."""

    top: int
    left: int
    rows: int
    columns: int

    @property
    def squeezed(self) -> bool:
        """Whether the head is as wide as long."""
        return self.columns >= AS_WIDE_AS_LONG * self.rows


def is_in_place(scan: Scan) -> bool:
    """Tell whether a picture's head ends where the heads of the frame do, whatever the picture's size."""
    box, (rows, columns) = _looked_at(scan)[1], scan.voxels.shape
    if box is None:
        return True  # nothing to place
    ends = ((box.top + box.rows) * FRAME[0] / rows, (box.left + box.columns) * FRAME[1] / columns)
    wide = box.columns * FRAME[1] / columns
    return all(abs(end - there) <= PLACE_MM for end, there in zip((*ends, wide), (*ENDS, WIDTH), strict=True))


@functools.lru_cache(maxsize=64)
def _looked_at(scan: Scan) -> tuple[NDArray[np.float32], Box | None]:
    """Return a picture's grey levels and the box of its head, found once for all that is asked of a picture."""
    picture = scan.grey()
    return picture, head_box(picture)


def head_box(picture: NDArray[np.float32]) -> Box | None:
    """Return the box of the largest connected thing in a picture; None if it is too small to be a head.

    Args:
        picture: H × W, grey levels in [0, 255].
    """
    largest = _largest_thing(picture)
    if largest is None:
        return None
    left, top, columns, rows, area = largest[1]
    box = Box(top, left, rows, columns)
    return box if area >= MIN_HEAD * picture.size and min(rows, columns) > 1 else None


def head_mask(picture: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the largest connected thing in a picture with all that it encloses, bool, H × W: no air around a head.

    Args:
        picture: H × W, grey levels in [0, 255]; of one that is dark throughout, everything is returned.
    """
    largest = _largest_thing(picture)
    if largest is None:
        return np.ones(picture.shape, bool)
    outlines, _ = cv2.findContours(largest[0], cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.zeros_like(largest[0]), outlines, -1, 1, cv2.FILLED), bool)


def _largest_thing(picture: NDArray[np.float32]) -> tuple[NDArray[np.uint8], tuple[int, ...]] | None:
    """Return where the largest connected thing lies, 0 or 1, with its left, top, columns, rows and area."""
    count, parts, found, _ = cv2.connectedComponentsWithStats((picture > BACKGROUND).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    largest = 1 + int(found[1:, cv2.CC_STAT_AREA].argmax())
    return (parts == largest).astype(np.uint8), tuple(int(value) for value in found[largest])


def is_clearly_upright(scan: Scan) -> bool:
    """Tell whether a slice looks so much more like an average head than like one turned over that there is no doubt.

    It saves a pass of the network turned over; where this is False, the network has to say.
    """
    picture, box = _looked_at(scan)
    if box is None:
        return False
    inside = picture[box.top : box.top + box.rows, box.left : box.left + box.columns]
    average = _average_head()
    found = cv2.resize(inside, average.shape[::-1], interpolation=cv2.INTER_AREA)
    found = found - found.mean()
    size = float(np.linalg.norm(found) * np.linalg.norm(average))
    return float((found * (average - average[::-1])).sum()) > CLEARLY * size


@functools.cache
def _average_head() -> NDArray[np.float32]:
    half = np.frombuffer(HALF_HEAD, np.uint8).reshape(24, 10).astype(np.float32)
    whole = np.hstack([half, half[:, ::-1]])
    return np.asarray(whole - whole.mean(), np.float32)


def unsqueezed(scan: Scan) -> Scan | None:
    """Return a square picture of a head that is as wide as long in its true shape; None for any other picture."""
    rows, columns = scan.voxels.shape
    box = _looked_at(scan)[1]
    if box is None or not box.squeezed or abs(rows - columns) > SQUARE * max(rows, columns):
        return None
    shape = FRAME if columns <= LARGEST else (round(columns * FRAME[0] / FRAME[1]), columns)
    return _with(scan, np.asarray(cv2.resize(scan.voxels, shape[::-1], interpolation=cv2.INTER_LANCZOS4)), UNSQUEEZED)


def levelled(scan: Scan) -> Scan | None:
    """Return a picture of a head of unusual brightness with the brightness of the training slices, else None."""
    grey, _ = _looked_at(scan)
    inside = grey[grey > BACKGROUND]
    bright = float(np.percentile(inside, 95)) if inside.size else 0.0
    if bright <= BACKGROUND or abs(bright - BRIGHT) <= USUAL * SPREAD:
        return None
    black, white = scan.window
    window = (black, black + (white - black) * bright / BRIGHT)
    return replace(scan, window=window).with_warnings(LEVELLED.format(than="brighter" if bright > BRIGHT else "darker"))


def placed(scan: Scan) -> Scan | None:
    """Return a picture's head without margins and letters, in the middle of the frame; None if there is no head.

    A head that is as wide as long is brought back to its true shape, too.
    """
    box = _looked_at(scan)[1]
    if box is None:
        return None
    squeezed = box.squeezed
    across = WIDTH / box.columns
    if abs(across - 1) <= SAME_WIDTH:
        across = 1.0
    down = across * (FRAME[0] / FRAME[1] if squeezed else 1.0)
    bottom, right = box.top + box.rows - 0.5, box.left + box.columns - 0.5  # edges, where centres are whole numbers
    to_frame = np.array([[across, 0, ENDS[1] - 0.5 - across * right], [0, down, ENDS[0] - 0.5 - down * bottom]])
    only = np.zeros_like(scan.voxels) + scan.window[0]
    inside = (slice(box.top, box.top + box.rows), slice(box.left, box.left + box.columns))
    only[inside] = scan.voxels[inside]
    if across < 1:
        blur = max((1 / across - 1) / 2, 0.05)  # what shrinks must not alias; as scikit-image does
        only = np.asarray(cv2.GaussianBlur(only, (0, 0), blur), np.float32)
    found = cv2.warpAffine(
        only, to_frame, FRAME[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=scan.window[0]
    )
    return _with(scan, np.asarray(found, np.float32), *([UNSQUEEZED] if squeezed else []), PLACED)


def flipped(scan: Scan) -> Scan:
    """Return a picture turned over, front to back; left and right stay."""
    return _with(scan, np.ascontiguousarray(scan.voxels[::-1]), FLIPPED)


def _with(scan: Scan, voxels: NDArray[np.float32], *notes: str) -> Scan:
    kept = np.clip(voxels, float(scan.voxels.min()), float(scan.voxels.max()))
    return replace(scan, voxels=np.ascontiguousarray(kept, np.float32), spacing_mm=None).with_warnings(*notes)
