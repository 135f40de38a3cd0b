"""How alike two heatmaps are, and how alike two random ones would be."""

import functools
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from core.explain.cams import resized

Map = NDArray[np.floating]
WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
NULL_PAIRS, SHUFFLES, COARSE = 200, 20, 1024
TOP_FRACTION = 0.1


@dataclass(frozen=True)
class Alike:
    """How alike two maps are; NaN where a measure is not defined, as for constant maps.

    Attributes:
        ssim: Structural similarity at the size at which the maps are drawn.
        pearson: Correlation of the values, cell by cell.
        spearman: Correlation of their ranks.
        top: Share of the strongest tenth of the cells that both have in common.
    """

    ssim: float
    pearson: float
    spearman: float
    top: float


def alike(one: Map, other: Map, drawn: tuple[int, ...]) -> Alike:
    """Compare two maps on the scale of the first; scaling each on its own would hide that one is a thousand times
    weaker.

    Args:
        one: The reference, h × w (or d × h × w).
        other: The same shape.
        drawn: Size at which they are drawn.
    """
    span = float(np.ptp(one))
    if span == 0 or not np.isfinite(other).all():
        return Alike(*(float("nan"),) * 4)
    pair = resized(np.stack([one, other]).astype(np.float32), drawn)
    return Alike(ssim(pair[0], pair[1], data_range=span), pearson(one, other),
                 pearson(rankdata(one), rankdata(other)), top_overlap(one, other))  # fmt: skip


def ssim(one: Map, other: Map, *, data_range: float) -> float:
    """Return the mean structural similarity of two maps.

    Wang et al., IEEE Transactions on Image Processing 13:600, 2004, equation 13: Gaussian windows of 11 × 11 with a
    standard deviation of 1.5, K1 = 0.01, K2 = 0.03; the rim where a window would reach outside is left out, as in
    scikit-image's `structural_similarity(gaussian_weights=True, use_sample_covariance=False)`. Maps too small for
    such a window are one window; volumes are compared slice by slice.

    Args:
        one: h × w, or d × h × w.
        other: The same shape.
        data_range: The range of values that counts as the whole scale; never guessed.
    """
    if one.ndim == 3:
        return float(np.mean([ssim(a, b, data_range=data_range) for a, b in zip(one, other, strict=True)]))
    if min(one.shape) >= WINDOW:
        return float(np.mean(ssim_map(one, other, data_range=data_range)))
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return float(_ssim_of(a.mean(), b.mean(), (a * a).mean(), (b * b).mean(), (a * b).mean(), data_range))


def ssim_map(one: Map, other: Map, *, data_range: float) -> NDArray[np.float64]:
    """Return the structural similarity in the window around each pixel, without the rim: (h − 10) × (w − 10).

    It is computed in the maps' own precision; float32 is three times faster and right to 1e-4.
    """
    a, b = np.asarray(one), np.asarray(other)
    found = _ssim_of(_blurred(a), _blurred(b), _blurred(a * a), _blurred(b * b), _blurred(a * b), data_range)
    return np.asarray(found, np.float64)


def ssim_within(one: Map, other: Map, inside: NDArray[np.bool_], *, data_range: float) -> float:
    """Return the mean structural similarity over windows that lie wholly inside a mask; where none does, of all inside.

    Args:
        one: h × w, or d × h × w, which is compared slice by slice.
        other: The same shape.
        inside: Of that shape.
        data_range: As for `ssim`.
    """
    if one.ndim == 3:
        found = [ssim_within(a, b, mask, data_range=data_range) for a, b, mask in zip(one, other, inside, strict=True)
                 if mask.sum() > 1]  # fmt: skip
        return float(np.mean(found)) if found else float("nan")
    if min(one.shape) >= WINDOW:
        rim = WINDOW // 2
        windows = cv2.erode(inside.astype(np.uint8), np.ones((WINDOW, WINDOW), np.uint8))[rim:-rim, rim:-rim] > 0
        if windows.any():
            return float(ssim_map(one, other, data_range=data_range)[windows].mean())
    a, b = one[inside].astype(np.float64), other[inside].astype(np.float64)
    return float(_ssim_of(a.mean(), b.mean(), (a * a).mean(), (b * b).mean(), (a * b).mean(), data_range))


def _ssim_of(mean_a: Any, mean_b: Any, square_a: Any, square_b: Any, product: Any, data_range: float) -> Any:
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    spread = square_a - mean_a**2 + square_b - mean_b**2
    both = product - mean_a * mean_b
    return (2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (spread + c2))


def pearson(one: Map, other: Map) -> float:
    """Return the correlation of two maps; NaN where one of them is constant."""
    a, b = np.asarray(one, np.float64).ravel(), np.asarray(other, np.float64).ravel()
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else float("nan")


def top_overlap(one: Map, other: Map, fraction: float = TOP_FRACTION) -> float:
    """Return which share of the strongest cells of two maps is the same (Ghorbani et al., AAAI 2019, top-k
    intersection).
    """
    count = max(1, round(fraction * one.size))
    first, second = (set(np.argsort(-part, axis=None, kind="stable")[:count].tolist()) for part in (one, other))
    return len(first & second) / count


def ranks(heatmap: Map, inside: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return the ranks of a map's values in [0, 1], ties shared; 0 outside a mask."""
    chosen = np.ones(heatmap.shape, bool) if inside is None else inside
    ranked = np.zeros(heatmap.shape)
    ranked[chosen] = (rankdata(heatmap[chosen]) - 0.5) / max(1, chosen.sum())
    return ranked


Null = dict[str, tuple[float, float, float]]


def null_of(reference: Map, drawn: tuple[int, ...]) -> Null:
    """Return how alike a heatmap and a meaningless one would be: of each measure the mean and the middle 95 %.

    Two maps of 7 × 7 random cells, enlarged to 224 × 224, have a structural similarity of nearly 0.5: that, and not
    0, is what a stability is to be compared with. Maps of many cells have values of very unlike sizes, which alone
    makes them alike; their null is the map itself with its cells shuffled.

    Args:
        reference: The heatmap.
        drawn: Size at which it is drawn.
    """
    if reference.size <= COARSE:
        return _random_null(reference.shape, drawn)
    rng, flat = np.random.default_rng(0), reference.ravel()
    return _summed([alike(reference, rng.permutation(flat).reshape(reference.shape), drawn) for _ in range(SHUFFLES)])


@functools.lru_cache(maxsize=64)
def _random_null(cells: tuple[int, ...], drawn: tuple[int, ...]) -> Null:
    rng = np.random.default_rng(0)
    return _summed([alike(rng.random(cells), rng.random(cells), drawn) for _ in range(NULL_PAIRS)])


def _summed(found: list[Alike]) -> Null:
    return {name: _spread([getattr(one, name) for one in found]) for name in ("ssim", "pearson", "spearman", "top")}


def _spread(values: list[float]) -> tuple[float, float, float]:
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return (float("nan"),) * 3
    low, high = np.percentile(known, [2.5, 97.5])
    return float(np.mean(known)), float(low), float(high)


def _blurred(values: NDArray[np.floating]) -> NDArray[np.floating]:
    rim = WINDOW // 2
    whole = cv2.GaussianBlur(values, (WINDOW, WINDOW), SIGMA, borderType=cv2.BORDER_REFLECT)
    return np.asarray(whole[rim:-rim, rim:-rim])
