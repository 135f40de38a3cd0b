"""Heads for the tests, made from the ICBM template: moved, scaled, noisy, biased, with and without a skull."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import affine_transform, distance_transform_edt, gaussian_filter

from core.scans.registration.template import template

SIDE = (190, 256, 256)  # of the scanner's field of view, in voxels
SCANNER = np.array([[1.0, 0, 0, -95], [0, 1.0, 0, -128], [0, 0, 1.0, -150], [0, 0, 0, 1]])


@dataclass(frozen=True, eq=False)
class Moved:
    """A head as a scanner sees it, and where each point of the template truly lies in it."""

    voxels: np.ndarray
    affine: np.ndarray
    to_scan: np.ndarray


def head(*, skull: bool) -> np.ndarray:
    """Return the template's brain, with fluid, skull, scalp, a face and a neck around it if asked for."""
    ready = template()
    if not skull:
        return ready.brain.copy()
    whole = np.pad(ready.brain, ((10, 10), (10, 10), (90, 10)))
    mask = np.pad(ready.mask, ((10, 10), (10, 10), (90, 10)))
    distance = distance_transform_edt(~mask)
    x, y, z = np.meshgrid(*(np.arange(side) for side in whole.shape), indexing="ij")
    middle = whole.shape[0] / 2
    neck = ((x - middle) ** 2 / 55**2 + (y - 100) ** 2 / 60**2 < 1) & (z < 110)
    face = ((x - middle) ** 2 / 60**2 + (y - 160) ** 2 / 65**2 < 1) & (z > 30) & (z < 120)
    texture = gaussian_filter(np.random.default_rng(5).normal(size=whole.shape), 4) * 8
    tissue = np.clip(0.55 + texture, 0.1, 1.0)
    whole = np.where((neck | face) & ~mask, tissue, whole)
    whole = np.where((distance > 0) & (distance <= 3), 0.2, whole)
    whole = np.where((distance > 3) & (distance <= 8), 0.06, whole)
    return np.where((distance > 8) & (distance <= 14), np.clip(0.8 + texture, 0, 1), whole).astype(np.float32)


def moved(
    seed: int,
    *,
    skull: bool,
    degrees: float = 20.0,
    shift_mm: float = 30.0,
    scale: float = 0.15,
    noise: float = 0.05,
    bias: float = 0.3,
) -> Moved:
    """Move a head at random within these limits and scan it: 1 mm voxels, Rician noise, a smooth bias field."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    to_scan = np.eye(4)
    to_scan[:3, :3] = rotation(axis / np.linalg.norm(axis), np.deg2rad(rng.uniform(-degrees, degrees)))
    to_scan[:3, :3] *= rng.uniform(1 - scale, 1 + scale)
    direction = rng.normal(size=3)
    to_scan[:3, 3] = direction / np.linalg.norm(direction) * rng.uniform(0, shift_mm)
    source, source_affine = head(skull=skull), template().affine.copy()
    if skull:
        source_affine[:3, 3] -= (10, 10, 90)
    index = np.linalg.inv(source_affine) @ np.linalg.inv(to_scan) @ SCANNER
    seen = affine_transform(source, index[:3, :3], index[:3, 3], output_shape=SIDE, order=1)
    field = gaussian_filter(rng.normal(size=[side // 8 + 1 for side in SIDE]), 6)
    field = np.kron(field, np.ones((8, 8, 8)))[: SIDE[0], : SIDE[1], : SIDE[2]]
    seen = seen * (1 + bias * gaussian_filter(field, 4) / np.abs(field).max())
    real, imaginary = rng.normal(0, noise, (2, *SIDE))
    return Moved((1000 * np.hypot(seen + real, imaginary)).astype(np.float32), SCANNER, to_scan)


def rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return the 3 × 3 matrix that turns by an angle about an axis (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def median_error_mm(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the median distance, over the brain, between where two affines put the same point of the template."""
    ready = template()
    points = np.argwhere(ready.mask[::4, ::4, ::4]) * 4 @ ready.affine[:3, :3].T + ready.affine[:3, 3]
    points = np.c_[points, np.ones(len(points))]
    return float(np.median(np.linalg.norm((points @ (found - truth).T)[:, :3], axis=1)))
