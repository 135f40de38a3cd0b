"""Small changes of a scan that do not change what it shows: differences between scanners, not between brains.

Each makes changed copies of a network's input and records how the picture moved, so that the heatmap can be moved back
before it is compared.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

Floats = NDArray[np.float32]
Matrix = NDArray[np.float64]
GREY_RANGE = 255.0
JPEG_QUALITIES = (30, 90)
BIAS_ORDER = 2


@dataclass(frozen=True)
class Perturbation:
    """One kind of change.

    Attributes:
        name: Its name in results.
        title: The change in words, with {strength}.
        strength: The default strength; its unit is in the title.
        change: From an input ((depth ×) height × width), a strength and a generator to the changed input.
        motion: From a strength, a generator and a shape to the matrix, from output to input index, by which the picture
            is moved; None for changes that do not move it.
    """

    name: str
    title: str
    strength: float
    change: Callable[[Floats, float, np.random.Generator], Floats] | None = None
    motion: Callable[[float, np.random.Generator, tuple[int, ...]], Matrix] | None = None


def moved(image: Floats, matrix: Matrix) -> Floats:
    """Move an image or heatmap (h × w or d × h × w) by a homogeneous matrix from output to input index; 0 outside."""
    size = image.ndim
    if size == 2:
        flip = [1, 0, 2]  # OpenCV counts columns first
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        found = cv2.warpAffine(image, matrix[flip][:, flip][:2], image.shape[::-1], flags=flags)
        return np.asarray(found, np.float32)
    return np.asarray(affine_transform(image, matrix[:size, :size], matrix[:size, size], order=1), np.float32)


def rescaled(matrix: Matrix, fine: tuple[int, ...], coarse: tuple[int, ...]) -> Matrix:
    """Convert the motion of an image to the motion of its heatmap, whose cells are larger than the pixels."""
    scale = np.array([*(f / c for f, c in zip(fine, coarse, strict=True)), 1.0])
    to_fine = np.diag(scale)
    to_fine[:-1, -1] = (scale[:-1] - 1) / 2  # indices refer to pixel centres
    return np.asarray(np.linalg.inv(to_fine) @ matrix @ to_fine)


def _gaussian(scan: Floats, strength: float, rng: np.random.Generator) -> Floats:
    return np.asarray(scan + rng.normal(0, strength * GREY_RANGE, scan.shape), np.float32)


def _rician(scan: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Magnitude of a complex signal with noise in both parts (Gudbjartsson and Patz, MRM 34:910, 1995)."""
    real, imaginary = rng.normal(0, strength * GREY_RANGE, (2, *scan.shape)).astype(np.float32)
    return np.asarray(np.hypot(scan + real, imaginary), np.float32)


def _brightness(scan: Floats, strength: float, rng: np.random.Generator) -> Floats:
    return np.where(scan > 0, scan + np.float32(rng.uniform(-strength, strength) * GREY_RANGE), 0)


def _contrast(scan: Floats, strength: float, rng: np.random.Generator) -> Floats:
    inside = scan > 0
    middle = scan[inside].mean() if inside.any() else 0.0
    return np.where(inside, middle + (scan - middle) * np.float32(1 + rng.uniform(-strength, strength)), 0)


def _bias_field(scan: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Multiply by the exponential of a random polynomial of second order, scaled to at most this strength."""
    axes = np.meshgrid(*(np.linspace(-1, 1, side) for side in scan.shape), indexing="ij", sparse=True)
    powers = [power for power in np.ndindex(*(BIAS_ORDER + 1,) * scan.ndim) if 0 < sum(power) <= BIAS_ORDER]
    field = np.zeros(scan.shape)
    for power in powers:
        term = np.float64(rng.uniform(-1, 1))
        for axis, exponent in zip(axes, power, strict=True):
            term = term * axis**exponent
        field = field + term
    return np.asarray(scan * np.exp(strength * field / max(np.abs(field).max(), 1e-9)), np.float32)


def _jpeg(scan: Floats, strength: float, rng: np.random.Generator) -> Floats:
    best = JPEG_QUALITIES[1] - strength * (JPEG_QUALITIES[1] - JPEG_QUALITIES[0])
    quality = int(rng.uniform(best, JPEG_QUALITIES[1]))
    flat = np.clip(scan, 0, 255).round().astype(np.uint8).reshape(-1, scan.shape[-1])
    coded = cv2.imencode(".jpg", flat, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.float32).reshape(scan.shape)


def _rotation(strength: float, rng: np.random.Generator, shape: tuple[int, ...]) -> Matrix:
    angle = np.deg2rad(rng.uniform(-strength, strength))
    matrix = np.eye(len(shape) + 1)
    matrix[-3:-1, -3:-1] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    centre = np.array([(side - 1) / 2 for side in shape])
    matrix[:-1, -1] = centre - matrix[:-1, :-1] @ centre
    return matrix


def _shift(strength: float, rng: np.random.Generator, shape: tuple[int, ...]) -> Matrix:
    matrix = np.eye(len(shape) + 1)
    matrix[:-1, -1] = [rng.uniform(-strength, strength) * side for side in shape]
    return matrix


PERTURBATIONS = (
    Perturbation(
        "gaussian noise", "Gaussian noise, standard deviation {percent:.0f} % of the grey range", 0.03, _gaussian
    ),
    Perturbation("rician noise", "Rician noise, standard deviation {percent:.0f} % of the grey range", 0.03, _rician),
    Perturbation("brightness", "Brightness, up to {percent:.0f} % of the grey range", 0.05, _brightness),
    Perturbation("contrast", "Contrast, up to {percent:.0f} %", 0.1, _contrast),
    Perturbation("bias field", "A smooth bias field, up to {percent:.0f} %", 0.1, _bias_field),
    Perturbation("rotation", "Rotation, up to {strength:g}°", 5.0, motion=_rotation),
    Perturbation("shift", "Shift, up to {percent:.0f} % of each side", 0.03, motion=_shift),
    Perturbation("jpeg", "JPEG compression, strength {strength:g} of 1", 0.5, _jpeg),
)
DROPOUT = Perturbation("dropout", "Dropout in the network's head, {percent:.0f} % of the features", 0.0)
NAMES = (*(one.name for one in PERTURBATIONS), DROPOUT.name)
