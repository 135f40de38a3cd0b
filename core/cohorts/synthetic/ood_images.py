"""Pictures that a network for head slices should reject: scans the wrong way round, photographs, textures, noise."""

from collections.abc import Sequence

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

PHOTOGRAPHS = (
    *("astronaut", "camera", "cell", "chelsea", "clock", "coffee", "coins", "colorwheel", "horse"),
    *(
        "hubble_deep_field",
        "immunohistochemistry",
        "logo",
        "microaneurysms",
        "moon",
        "page",
        "retina",
        "rocket",
        "text",
    ),
)
TEXTURES = ("brick", "checkerboard", "grass", "gravel")
CROPS = 4  # of each picture, besides the whole
PER_KIND = 50

Floats = NDArray[np.float32]


def ood_images(slices: Sequence[NDArray], *, seed: int = 0) -> dict[str, list[Floats]]:
    """Return pictures by kind, float32, H × W, grey levels in [0, 255].

    Args:
        slices: In-distribution head slices, H × W, to be flipped and rotated; the first 50 are used.
        seed: Seed for everything random.
    """
    rng = np.random.default_rng(seed)
    used = [np.asarray(one, np.float32) for one in slices[:PER_KIND]]
    sides = rng.choice([-1, 1], len(used))
    return {
        "upside down": [one[::-1] for one in used],
        "turned by 180°": [one[::-1, ::-1] for one in used],
        "turned by 90°": [np.rot90(one, side) for one, side in zip(used, sides, strict=True)],
        "turned by 45°": [_turned(one, 45 * side) for one, side in zip(used, sides, strict=True)],
        "photographs": _with_crops(PHOTOGRAPHS, rng),
        "textures": _with_crops(TEXTURES, rng),
        "noise": _noise(used[0].shape, rng),
        "empty": [np.full(used[0].shape, grey, np.float32) for grey in (0, 128, 255)],
    }


def _turned(picture: Floats, degrees: float) -> Floats:
    rows, columns = picture.shape
    turn = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(picture, turn, (columns, rows)), np.float32)


def _with_crops(names: Sequence[str], rng: np.random.Generator) -> list[Floats]:
    """Return scikit-image's own pictures with these names, whole and in random crops."""
    found = []
    for name in names:
        picture = np.asarray(getattr(skimage.data, name)(), np.float32)
        if picture.ndim == 3:
            picture = picture[..., :3].mean(axis=2)
        picture = picture * np.float32(255 / max(float(picture.max()), 1))
        rows, columns = picture.shape
        found.append(picture)
        for _ in range(CROPS):
            side = int(rng.integers(min(rows, columns) // 3, min(rows, columns)))
            top, left = (int(rng.integers(size - side + 1)) for size in (rows, columns))
            found.append(picture[top : top + side, left : left + side])
    return found


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> list[Floats]:
    """Return white noise, and noise blurred more and more."""
    found = []
    for blur in np.linspace(0, 15, PER_KIND):
        drawn = rng.uniform(0, 255, shape).astype(np.float32)
        if blur > 0:
            drawn = np.asarray(cv2.GaussianBlur(drawn, (0, 0), blur), np.float32)
            drawn = (drawn - drawn.min()) * np.float32(255 / max(float(np.ptp(drawn)), 1e-6))
        found.append(drawn)
    return found
