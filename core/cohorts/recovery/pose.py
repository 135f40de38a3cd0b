"""A slice in canonical pose: centred, upright and of one size, so that a turned, shifted or zoomed copy looks like it.

The head is the largest connected part of the blurred slice that is brighter than a fraction of its own brightness. Its
centroid goes to the centre of the picture, its size (of its second moments) to a fixed size, and the axis about which
it is most alike its own mirror image upright: the longest axis would not do, as pictures that were squeezed into a
square hold heads as wide as they are long.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]

SIDE = 64  # of the pictures that are compared
DRAWN = 96  # of those in canonical pose, which are turned once more
RADIUS = 0.24  # of the picture's side: the root mean square distance of the head's pixels from its centre along an axis
BRIGHTER = 0.15  # of the slice's brightness: what belongs to the head
FAINT = 4.0  # grey levels: a picture with less contrast is blank
LEAST = 0.02  # of the picture: a head fills at least so much
COARSE, TURNS = 24, np.arange(-90.0, 90.0, 6.0)  # pixels and degrees of the first search for the axis of symmetry
FINE = np.arange(-5.0, 5.5, 1.0)
ROUNDS = 2  # of the search for turns, by quarters and then by degrees


def in_canonical_pose(grey: Picture) -> NDArray[np.uint8] | None:
    """Return a slice in canonical pose, but for left and right, up and down.

    Args:
        grey: float32, H × W, in [0, 255].

    Returns:
        uint8, 96 × 96; None for a picture without anything that could be a head: blank, or noise on black.
    """
    head = _head(grey)
    if head is None:
        return None
    moments = cv2.moments(head.astype(np.uint8), binaryImage=True)
    area = moments["m00"]
    centre = moments["m10"] / area, moments["m01"] / area
    spread = np.linalg.det(np.array([[moments["mu20"], moments["mu11"]], [moments["mu11"], moments["mu02"]]]) / area)
    size = float(max(spread, 1e-6)) ** 0.25
    posed = _posed(grey, centre, size, turn=_turn_to_symmetry(grey, centre, size), side=DRAWN)
    return np.clip(posed.round(), 0, 255).astype(np.uint8)


def turned_alike(pictures: NDArray[np.uint8]) -> Picture:
    """Turn pictures in canonical pose so that each is most like the mean of all and its mirror image.

    The axis of symmetry alone is not enough: a few heads are as symmetric about the axis across, and from one slice to
    the next the axis may jump by some degrees. Which end is up is not certain after this.

    Args:
        pictures: uint8, n × 96 × 96, as `in_canonical_pose` makes them.

    Returns:
        float32, n × 64 × 64.
    """
    turns: NDArray[np.float64] = np.zeros(len(pictures))
    alike = _all_shrunk(pictures, turns)
    template = alike[0]
    for _ in range(ROUNDS):
        quarters = np.stack([np.rot90(alike, quarter, axes=(1, 2)) for quarter in range(4)])
        best = np.einsum("qnhw,hw->nq", quarters, _symmetric(template), optimize=True).argmax(axis=1)
        turns, alike = turns + 90.0 * best, quarters[best, np.arange(len(pictures))]
        template = alike.mean(axis=0)
    for _ in range(ROUNDS):
        symmetric = _symmetric(template)
        turns = turns + [_best_turn(one, turn, symmetric) for one, turn in zip(pictures, turns, strict=True)]
        alike = _all_shrunk(pictures, turns)
        template = alike.mean(axis=0)
    return alike


def _symmetric(template: Picture) -> Picture:
    both = template + template[:, ::-1]
    return np.asarray(both - both.mean())


def _best_turn(picture: NDArray[np.uint8], turn: float, template: Picture) -> float:
    """Return which further turn of a few degrees makes a picture most like a template."""
    found = []
    for more in FINE:
        shrunk = _shrunk(picture, turn + more)
        centred = shrunk - shrunk.mean()
        found.append(float((centred * template).sum() / max(float(np.linalg.norm(centred)), 1e-6)))
    return _peak(FINE, found)


def _peak(places: NDArray[np.float64], heights: list[float]) -> float:
    """Return where the parabola through the highest of equally spaced points and its neighbours is highest."""
    best = min(max(int(np.argmax(heights)), 1), len(heights) - 2)
    before, at, after = heights[best - 1 : best + 2]
    bend = before - 2 * at + after
    return float(places[best] + (places[1] - places[0]) * (0.5 * (before - after) / bend if bend < 0 else 0.0))


def _shrunk(picture: NDArray[np.uint8], turn: float) -> Picture:
    centre = ((DRAWN - 1) / 2, (DRAWN - 1) / 2)
    return _posed(picture.astype(np.float32), centre, RADIUS * DRAWN, turn=turn)


def _all_shrunk(pictures: NDArray[np.uint8], turns: NDArray[np.float64]) -> Picture:
    return np.stack([_shrunk(picture, turn) for picture, turn in zip(pictures, turns, strict=True)])


def _head(grey: Picture) -> NDArray[np.bool_] | None:
    blurred = cv2.GaussianBlur(grey, (0, 0), max(grey.shape) / 100)
    bright = float(np.percentile(blurred, 98))
    if bright - float(blurred.min()) < FAINT:
        return None
    count, parts, found, _ = cv2.connectedComponentsWithStats((blurred > BRIGHTER * bright).astype(np.uint8))
    if count < 2:
        return None
    largest = 1 + int(np.argmax(found[1:, cv2.CC_STAT_AREA]))
    return parts == largest if found[largest, cv2.CC_STAT_AREA] >= LEAST * grey.size else None


def _posed(grey: Picture, centre: tuple[float, float], size: float, *, turn: float, side: int = SIDE) -> Picture:
    """Bring a centre to the middle, turned by degrees about it, with a size in pixels as `RADIUS` of the side."""
    canvas = 2 * side  # drawn larger and then shrunk, so that nothing aliases
    matrix = np.asarray(cv2.getRotationMatrix2D(centre, turn, RADIUS * canvas / size), np.float64)
    matrix[:, 2] += (canvas - 1) / 2 - np.array(centre)
    drawn = cv2.warpAffine(grey, matrix, (canvas, canvas), flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(drawn, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def _turn_to_symmetry(grey: Picture, centre: tuple[float, float], size: float) -> float:
    """Return the turn in degrees after which a head is most like its mirror image."""

    def likeness(turn: float, side: int) -> float:
        posed = _posed(grey, centre, size, turn=turn, side=side)
        centred = posed - posed.mean()
        return float((centred * centred[:, ::-1]).sum() / max(float((centred**2).sum()), 1e-6))

    coarse = max(TURNS, key=lambda turn: likeness(turn, COARSE))
    found = [likeness(coarse + turn, SIDE // 2) for turn in FINE]
    return float(coarse) + _peak(FINE, found)
