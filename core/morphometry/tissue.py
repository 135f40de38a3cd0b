"""Tissue fractions of a slab of standard space: which share of each voxel is fluid, grey or white matter.

The steps are those of voxel-based morphometry (Ashburner and Friston, NeuroImage 2000) on what a stack of slices gives:
one contrast, no skull, every slice perhaps scaled to its own maximum. The intensities are a mixture of five normal
distributions, three tissues and the partial volumes between neighbours, whose means lie half-way (after Santago and
Gage, IEEE TMI 1993, simplified); a partial-volume voxel counts half for either tissue.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FLUID, GREY, WHITE = range(3)
TISSUES = ("cerebrospinal fluid", "grey matter", "white matter")
BINS = 256
STEPS = 200
DARKEST = 0.06  # of the brightest tissue: what is darker at the rim is air, and not fluid
CLOSED_MM = 6  # gaps in the outline of a slice, such as wide sulci, that belong to the head
START = (0.25, 0.65, 1.0)  # of the brightest peak, where the search for fluid, grey and white matter begins
LEAST_SPREAD = 0.015

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Tissues:
    """The tissues of a slab.

    Attributes:
        fractions: float32, 3 × D × H × W: fluid, grey and white matter of each voxel; 0 outside of the head.
        inside: bool, D × H × W: the head without its skull, the fluid within included.
        means: Intensities of fluid, grey and white matter, as fractions of white matter's.
    """

    fractions: Floats
    inside: NDArray[np.bool_]
    means: tuple[float, float, float]

    @property
    def fluid_fraction(self) -> float:
        """The share of the head within these slices that is fluid; 0 to 1."""
        return float(self.fractions[FLUID].sum() / max(1, self.inside.sum()))


def tissues_of(slab: Floats) -> Tissues | None:
    """Divide a slab into fluid, grey and white matter.

    Args:
        slab: float32, D × H × W, grey levels from 0, slices from below, without skull; may be scaled slice by slice.

    Returns:
        The tissues; None where there is no head, or its intensities do not fall into tissues.
    """
    level = evened(slab)
    inside = _inside(level)
    values = level[inside]
    if inside.mean() < 0.02 or np.unique(values).size < BINS // 8:
        return None
    top = float(np.quantile(values, 0.995)) * 1.15
    counts, edges = np.histogram(values, BINS, (0.0, top))
    centres = ((edges[:-1] + edges[1:]) / 2).astype(np.float64)
    fitted = _mixture(centres / top, counts.astype(np.float64))
    if fitted is None:
        return None
    means, shares = fitted
    at = np.clip((level / top * BINS).astype(np.int32), 0, BINS - 1)
    fractions = np.where(inside, shares.astype(np.float32)[:, at], np.float32(0))
    return Tissues(fractions, inside, tuple(float(one / means[WHITE]) for one in means))  # type: ignore[arg-type]


def evened(slab: Floats) -> Floats:
    """Undo a scaling of each slice by a number of its own: what lies above each other is about as bright.

    Every slice is divided by the median ratio of the brighter half of its voxels to those in the slice below, from the
    middle outwards.
    """
    level = slab.astype(np.float32, copy=True)
    middle = len(slab) // 2
    for known, this in [
        *((n - 1, n) for n in range(middle + 1, len(slab))),
        *((n + 1, n) for n in range(middle - 1, -1, -1)),
    ]:
        below, own = level[known], level[this]
        both = (below > 0) & (own > 0)
        if both.sum() < 100:
            continue
        both &= (below + own) >= np.median((below + own)[both])
        ratio = float(np.median(own[both] / below[both]))
        if ratio > 0:
            own /= np.float32(ratio)
    return level


def _inside(level: Floats) -> NDArray[np.bool_]:
    """Find the head in each slice: everything within the outline of what is not black."""
    bright = float(np.quantile(level[level > 0], 0.98)) if (level > 0).any() else 1.0
    seen = level > DARKEST * bright
    disc = np.hypot(*np.mgrid[-CLOSED_MM : CLOSED_MM + 1, -CLOSED_MM : CLOSED_MM + 1]) <= CLOSED_MM
    found = np.zeros_like(seen)
    for number, one in enumerate(seen):
        if not one.any():
            continue
        padded = np.pad(one, CLOSED_MM + 1)
        closed = ndimage.binary_fill_holes(ndimage.binary_closing(padded, disc))
        labels, count = ndimage.label(closed)
        if count > 1:
            closed = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
        rim = CLOSED_MM + 1
        found[number] = closed[rim:-rim, rim:-rim]
    return found


def _mixture(
    x: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Fit the five normal distributions to a histogram by expectation and maximisation.

    Returns:
        The means of the three tissues, and their shares of each bin, 3 × bins; None where they do not come apart.
    """
    smooth = ndimage.gaussian_filter1d(counts, 3)
    upper = x > 0.5 * x[-1]
    peak = float(x[upper][np.argmax(smooth[upper])])
    pure = np.array(START) * peak
    weights, spreads = np.full(5, 0.2), np.full(5, 0.08 * peak)
    mixing = np.array([[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]])
    for _ in range(STEPS):
        means = mixing @ pure
        density = weights[:, None] * np.exp(-0.5 * ((x - means[:, None]) / spreads[:, None]) ** 2) / spreads[:, None]
        total = density.sum(axis=0) + 1e-300
        belongs = density / total * counts
        mass = belongs.sum(axis=1) + 1e-9
        weights = mass / mass.sum()
        precise = belongs / spreads[:, None] ** 2
        normal = mixing.T @ (precise.sum(axis=1)[:, None] * mixing) + 1e-9 * np.eye(3)
        pure = np.linalg.solve(normal, mixing.T @ (precise @ x))
        variance = (belongs * (x - (mixing @ pure)[:, None]) ** 2).sum(axis=1) / mass
        spreads = np.maximum(np.sqrt(variance), LEAST_SPREAD)
    if not (0 <= pure[FLUID] < pure[GREY] < pure[WHITE]):
        return None
    means = mixing @ pure
    density = weights[:, None] * np.exp(-0.5 * ((x - means[:, None]) / spreads[:, None]) ** 2) / spreads[:, None]
    total = density.sum(axis=0)
    share = mixing.T @ (density / np.maximum(total, 1e-12))
    share[:, x <= pure[FLUID]] = np.array([[1.0], [0.0], [0.0]])  # wide tails would call the darkest or brightest other
    share[:, x >= pure[WHITE]] = np.array([[0.0], [0.0], [1.0]])
    return pure, share / np.maximum(share.sum(axis=0), 1e-12)
