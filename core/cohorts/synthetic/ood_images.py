"""Pictures that no network of head slices should answer: scans the wrong way round, photographs, textures, noise."""

from collections.abc import Sequence

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

PHOTOGRAPHS = (
    "astronaut", "camera", "cell", "chelsea", "clock", "coffee", "coins", "colorwheel", "horse", "hubble_deep_field",
    "immunohistochemistry", "logo", "microaneurysms", "moon", "page", "retina", "rocket", "text",
)  # fmt: skip
TEXTURES = ("brick", "checkerboard", "grass", "gravel")
CUT_OUT = 4  # pieces of each of them, beside the whole
PER_KIND = 50

Floats = NDArray[np.float32]


def ood_images(slices: Sequence[NDArray], *, seed: int = 0) -> dict[str, list[Floats]]:
    """Return pictures by kind, float32, H × W, grey in [0, 255].

    Args:
        slices: Head slices as a network knows them, H × W, of which the wrong ones are made; the first 50 are used.
        seed: Of what is drawn by lot.
    """
    random = np.random.default_rng(seed)
    used = [np.asarray(one, np.float32) for one in slices[:PER_KIND]]
    sides = random.choice([-1, 1], len(used))
    return {
        "upside down": [one[::-1] for one in used],
        "turned by 180°": [one[::-1, ::-1] for one in used],
        "turned by 90°": [np.rot90(one, side) for one, side in zip(used, sides, strict=True)],
        "turned by 45°": [_turned(one, 45 * side) for one, side in zip(used, sides, strict=True)],
        "photographs": _stages(PHOTOGRAPHS, random),
        "textures": _stages(TEXTURES, random),
        "noise": _noise(used[0].shape, random),
        "empty": [np.full(used[0].shape, grey, np.float32) for grey in (0, 128, 255)],
    }


def _turned(picture: Floats, degrees: float) -> Floats:
    rows, columns = picture.shape
    turn = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(picture, turn, (columns, rows)), np.float32)


def _stages(names: Sequence[str], random: np.random.Generator) -> list[Floats]:
    """Return scikit-image's own pictures of these names, whole and in random pieces."""
    found = []
    for name in names:
        picture = np.asarray(getattr(skimage.data, name)(), np.float32)
        if picture.ndim == 3:
            picture = picture[..., :3].mean(axis=2)
        picture = picture * np.float32(255 / max(float(picture.max()), 1))
        rows, columns = picture.shape
        found.append(picture)
        for _ in range(CUT_OUT):
            side = int(random.integers(min(rows, columns) // 3, min(rows, columns)))
            top, left = (int(random.integers(size - side + 1)) for size in (rows, columns))
            found.append(picture[top : top + side, left : left + side])
    return found


def _noise(shape: tuple[int, ...], random: np.random.Generator) -> list[Floats]:
    """Return white noise, and noise that was blurred more and more."""
    found = []
    for blur in np.linspace(0, 15, PER_KIND):
        drawn = random.uniform(0, 255, shape).astype(np.float32)
        if blur > 0:
            drawn = np.asarray(cv2.GaussianBlur(drawn, (0, 0), blur), np.float32)
            drawn = (drawn - drawn.min()) * np.float32(255 / max(float(np.ptp(drawn)), 1e-6))
        found.append(drawn)
    return found
