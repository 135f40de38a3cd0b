"""How well a heatmap points to a known region.

Pointing game: Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016, section 4.1 (here without a
margin). Relevance mass and rank accuracy: Arras et al., CLEVR-XAI, Information Fusion 81:14, 2022, section 4.2.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing

CLOSED_PIXELS = 4  # gaps in the truth narrower than twice this belong to the changed region


@dataclass(frozen=True)
class Localisation:
    """Scores of one heatmap against the ground truth.

    Attributes:
        hit: Whether the peak lies in the changed region.
        mass: Fraction of the positive evidence in it.
        rank: Fraction of the K strongest pixels in it, where K is the region's size.
        size: Fraction of the picture that the region covers: the mass of a uniform map.
    """

    hit: bool
    mass: float
    rank: float
    size: float


def changed_region(truth: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the region that changed: the changed pixels and narrow gaps between them (edges move, plateaus stay)."""
    padded = np.pad(truth, 2 * CLOSED_PIXELS)
    disc = np.hypot(*np.mgrid[-CLOSED_PIXELS : CLOSED_PIXELS + 1, -CLOSED_PIXELS : CLOSED_PIXELS + 1]) <= CLOSED_PIXELS
    inner = slice(2 * CLOSED_PIXELS, -2 * CLOSED_PIXELS)
    return np.asarray(binary_closing(padded, disc)[inner, inner])


def localisation(heatmap: NDArray[np.float32], region: NDArray[np.bool_]) -> Localisation | None:
    """Score a heatmap.

    Args:
        heatmap: float32, H × W, in the scan's pixels; negative values count as 0.
        region: bool, H × W.

    Returns:
        The scores; None for a map without positive evidence.
    """
    positive = np.maximum(heatmap, 0)
    total = float(positive.sum(dtype=np.float64))
    if not total > 0:
        return None
    strongest = np.argsort(-positive, axis=None, kind="stable")[: int(region.sum())]
    return Localisation(
        hit=bool(region.flat[int(positive.argmax())]),
        mass=float(positive[region].sum(dtype=np.float64)) / total,
        rank=float(region.flat[strongest].mean()),
        size=float(region.mean()),
    )
