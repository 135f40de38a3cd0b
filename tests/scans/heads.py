"""Heads for the tests, made from the ICBM template: moved, scaled, noisy, biased, with and without a skull."""

from dataclasses import dataclass

import nibabel
import numpy as np
from scipy.ndimage import affine_transform, binary_dilation, distance_transform_edt, gaussian_filter

from core.scans.registration.template import packaged, template

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


# Brightness of white matter, grey matter, fluid, skull and scalp, as scanners of each kind make them.
CONTRASTS = {
    "T1": (1.0, 0.7, 0.25, 0.1, 0.9),
    "T1 of low contrast": (1.0, 0.88, 0.45, 0.15, 0.9),
    "T1 with contrast agent": (1.0, 0.72, 0.25, 0.1, 0.9),
    "T2": (0.4, 0.6, 1.0, 0.1, 0.6),
    "FLAIR": (0.6, 0.75, 0.15, 0.1, 0.6),
    "PD": (0.75, 0.9, 0.85, 0.1, 0.7),
    "CT": (1030.0, 1038.0, 1005.0, 2200.0, 1040.0),  # Hounsfield units and 1000
}
VESSELS = 1.9  # times white matter


def contrast_head(kind: str, *, scalp: bool = True, seed: int = 0) -> np.ndarray:
    """Return a head of a kind of `CONTRASTS` on the grid of `head`, made of the template's tissue maps.

    Args:
        kind: Its kind.
        scalp: Whether skull and scalp surround the brain.
        seed: Of the vessels of a head with contrast agent.
    """
    white, grey, fluid, skull, skin = CONTRASTS[kind]
    mask = np.pad(template().mask, ((10, 10), (10, 10), (90, 10)))
    gm, wm = (
        np.pad(np.asarray(nibabel.load(packaged(f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz")).dataobj),
               ((10, 10), (10, 10), (90, 10)))
        for name in ("gm", "wm")
    )  # fmt: skip
    gm, wm = gm / gm.max(), wm / wm.max()
    left = np.clip(1 - gm - wm, 0, 1)
    whole = np.where(mask, wm * white + gm * grey + left * fluid, 0.0)
    if kind == "T1 with contrast agent":
        whole = np.where(vessels(mask, seed), VESSELS * white, whole)
    if scalp:
        distance = distance_transform_edt(~mask)
        whole = np.where((distance > 0) & (distance <= 2), fluid, whole)
        whole = np.where((distance > 2) & (distance <= 7), skull, whole)
        whole = np.where((distance > 7) & (distance <= 13), skin, whole)
    return np.asarray(whole, np.float32)


def vessels(mask: np.ndarray, seed: int) -> np.ndarray:
    """Return thin winding tubes through a mask: bool."""
    rng = np.random.default_rng(seed)
    found, inside = np.zeros(mask.shape, bool), np.argwhere(mask)
    for _ in range(40):
        place, way = inside[rng.integers(len(inside))].astype(float), rng.normal(size=3)
        for _ in range(60):
            way = way + 0.4 * rng.normal(size=3)
            place = place + way / np.linalg.norm(way)
            at = tuple(place.round().astype(int))
            if not all(0 <= x < side for x, side in zip(at, mask.shape, strict=True)) or not mask[at]:
                break
            found[at] = True
    return np.asarray(binary_dilation(found, iterations=1) & mask)


def child(scale: float = 0.86) -> Moved:
    """Return a small head of low contrast within 2 mm of dark skull and 6 mm of bright scalp, with a neck.

    Registered by mutual information alone it is found too large, its brain's rim on the scalp.
    """
    mask = np.pad(template().mask, ((10, 10), (10, 10), (90, 10)))
    brain = 0.7 + 0.3 * np.pad(template().brain, ((10, 10), (10, 10), (90, 10)))
    distance = distance_transform_edt(~mask)
    x, y, z = np.meshgrid(*(np.arange(side) for side in mask.shape), indexing="ij")
    neck = ((x - mask.shape[0] / 2) ** 2 / 50**2 + (y - 100) ** 2 / 55**2 < 1) & (z < 100) & (distance > 8)
    whole = np.where(mask, brain, np.where(neck, 0.8, 0.0))
    whole = np.where((distance > 0) & (distance <= 2), 0.15, whole)
    return scanned(np.where((distance > 2) & (distance <= 8), 1.3, whole), 4, scale=(scale, scale), bias=0.2)


def scanned(
    source: np.ndarray,
    seed: int,
    *,
    degrees: float = 10.0,
    shift_mm: float = 15.0,
    scale: tuple[float, float] = (1.0, 1.0),
    noise: float = 0.03,
    bias: float = 0.2,
) -> Moved:
    """Move a head on the grid of `head(skull=True)` at random within limits and scan it, as `moved` does."""
    return _scanned(source, (10, 10, 90), seed, degrees=degrees, shift_mm=shift_mm, scale=scale, noise=noise, bias=bias)


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
    limits = {"degrees": degrees, "shift_mm": shift_mm, "noise": noise, "bias": bias}
    return _scanned(
        head(skull=skull), (10, 10, 90) if skull else (0, 0, 0), seed, scale=(1 - scale, 1 + scale), **limits
    )


def _scanned(
    source: np.ndarray,
    padded: tuple[int, int, int],
    seed: int,
    *,
    degrees: float,
    shift_mm: float,
    scale: tuple[float, float],
    noise: float,
    bias: float,
) -> Moved:
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    to_scan = np.eye(4)
    to_scan[:3, :3] = rotation(axis / np.linalg.norm(axis), np.deg2rad(rng.uniform(-degrees, degrees)))
    to_scan[:3, :3] *= rng.uniform(*scale)
    direction = rng.normal(size=3)
    to_scan[:3, 3] = direction / np.linalg.norm(direction) * rng.uniform(0, shift_mm)
    source_affine = template().affine.copy()
    source_affine[:3, 3] -= padded
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
