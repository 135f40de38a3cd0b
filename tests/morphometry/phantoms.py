"""Slabs of a head that is ellipses: white matter, a rim of grey, ventricles, a seam of fluid; every person another."""

import numpy as np
from scipy.ndimage import gaussian_filter

SHAPE = (32, 80, 64)
FLUID, GREY, WHITE = 40.0, 130.0, 210.0


def slab(rng: np.random.Generator, ventricles: float, *, noise: float = 4.0) -> np.ndarray:
    """Return a slab whose ventricles have half axes of 1.6 and 1 times so many voxels."""
    rows, columns = np.mgrid[: SHAPE[1], : SHAPE[2]].astype(float)
    shift, scale = rng.normal(0, 0.8, 2), 1 + rng.normal(0, 0.02)
    y, x = (rows - SHAPE[1] / 2 - shift[0]) / scale, (columns - SHAPE[2] / 2 - shift[1]) / scale
    radius = np.hypot(y / 36, x / 28)
    fluid = (radius > 0.96) | (np.hypot(y / 1.6, x) < ventricles)
    plane = np.where(radius < 0.78, WHITE, GREY)
    plane = np.where(fluid, FLUID, plane)
    plane = np.where(radius < 1, plane, 0.0)
    blurred = np.where(radius < 1, gaussian_filter(plane, 0.7), 0.0)
    found = blurred[None] + rng.normal(0, noise, SHAPE)
    return np.where(radius < 1, np.clip(found, 1, 255), 0).astype(np.float32)


def fluid_fraction(ventricles: float) -> float:
    """Return the fraction of such a head that is fluid, without noise, from the ellipses' areas."""
    return (1 - 0.96**2) + 1.6 * ventricles**2 / (36 * 28)
