"""How similar two heatmaps are, and how similar two random ones would be."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from core.explain.placing import resized

Map = NDArray[np.floating]
WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
NULL_PAIRS, SHUFFLES, COARSE = 200, 20, 1024
TOP_FRACTION = 0.1


@dataclass(frozen=True)
class Similarity:
    """How similar two maps are; NaN for a measure that is not defined, as for constant maps.

    Attributes:
        ssim: Structural similarity at the size at which the maps are drawn.
        pearson: Correlation of the values, cell by cell.
        spearman: Correlation of their ranks.
        top: Fraction of the strongest tenth of the cells that both have in common.
    """

    ssim: float
    pearson: float
    spearman: float
    top: float


def similarity(one: Map, other: Map, drawn: tuple[int, ...]) -> Similarity:
    """Compare two maps on the scale of the first; separate scaling would hide that one is a thousand times weaker.

    Args:
        one: The reference, h × w (or d × h × w).
        other: The same shape.
        drawn: Size at which they are drawn.
    """
    span = float(np.ptp(one))
    if span == 0 or not np.isfinite(other).all():
        return Similarity(*(float("nan"),) * 4)
    pair = resized(np.stack([one, other]).astype(np.float32), drawn)
    return Similarity(
        ssim=ssim(pair[0], pair[1], data_range=span),
        pearson=pearson(one, other),
        spearman=pearson(rankdata(one), rankdata(other)),
        top=top_overlap(one, other),
    )


def ssim(one: Map, other: Map, *, data_range: float) -> float:
    """Return the mean structural similarity of two maps.

    Wang et al., IEEE Transactions on Image Processing 13:600, 2004, equation 13: Gaussian windows of 11 × 11 with a
    standard deviation of 1.5, K1 = 0.01, K2 = 0.03; the border where a window would extend outside is left out, as in
    scikit-image's `structural_similarity(gaussian_weights=True, use_sample_covariance=False)`. Maps too small for such
    a window are treated as a single window; volumes are compared slice by slice.

    Args:
        one: h × w, or d × h × w.
        other: The same shape.
        data_range: The range of values that counts as the full scale; never guessed.
    """
    if one.ndim == 3:
        return float(np.mean([ssim(a, b, data_range=data_range) for a, b in zip(one, other, strict=True)]))
    if min(one.shape) >= WINDOW:
        return float(np.mean(ssim_map(one, other, data_range=data_range)))
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return float(_ssim_of(a, b, np.mean, data_range=data_range))


def ssim_map(one: Map, other: Map, *, data_range: float) -> NDArray[np.float64]:
    """Return the structural similarity in the window around each pixel, without the border: (h − 10) × (w − 10).

    It is computed in the maps' own precision; float32 is three times faster and accurate to 1e-4.
    """
    return np.asarray(_ssim_of(np.asarray(one), np.asarray(other), _blurred, data_range=data_range), np.float64)


def ssim_within(one: Map, other: Map, inside: NDArray[np.bool_], *, data_range: float) -> float:
    """Return the mean structural similarity over windows entirely inside a mask; without any, of all pixels inside.

    Args:
        one: h × w, or d × h × w, which is compared slice by slice.
        other: The same shape.
        inside: A mask of the same shape.
        data_range: As for `ssim`.
    """
    if one.ndim == 3:
        slices = [group for group in zip(one, other, inside, strict=True) if group[2].sum() > 1]
        found = [ssim_within(*group, data_range=data_range) for group in slices]
        return float(np.mean(found)) if found else float("nan")
    if min(one.shape) >= WINDOW:
        rim = WINDOW // 2
        windows = cv2.erode(inside.astype(np.uint8), np.ones((WINDOW, WINDOW), np.uint8))[rim:-rim, rim:-rim] > 0
        if windows.any():
            return float(ssim_map(one, other, data_range=data_range)[windows].mean())
    return float(
        _ssim_of(one[inside].astype(np.float64), other[inside].astype(np.float64), np.mean, data_range=data_range)
    )


def _ssim_of(a: Map, b: Map, mean: Callable[[Map], Any], *, data_range: float) -> Any:
    """Compute the structural similarity, with the mean over whatever window `mean` averages."""
    mean_a, mean_b, square_a, square_b, product = mean(a), mean(b), mean(a * a), mean(b * b), mean(a * b)
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    variances = square_a - mean_a**2 + square_b - mean_b**2
    covariance = product - mean_a * mean_b
    return (2 * mean_a * mean_b + c1) * (2 * covariance + c2) / ((mean_a**2 + mean_b**2 + c1) * (variances + c2))


def pearson(one: Map, other: Map) -> float:
    """Return the correlation of two maps; NaN if one of them is constant."""
    a, b = np.asarray(one, np.float64).ravel(), np.asarray(other, np.float64).ravel()
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else float("nan")


def top_overlap(one: Map, other: Map, fraction: float = TOP_FRACTION) -> float:
    """Return the fraction of the strongest cells that two maps have in common (top-k intersection, Ghorbani et al.,
    AAAI 2019).
    """
    count = max(1, round(fraction * one.size))
    first, second = (set(np.argsort(-part, axis=None, kind="stable")[:count].tolist()) for part in (one, other))
    return len(first & second) / count


def ranks(heatmap: Map, inside: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return the ranks of a map's values, scaled to [0, 1], with ties averaged; 0 outside a mask."""
    chosen = np.ones(heatmap.shape, bool) if inside is None else inside
    ranked = np.zeros(heatmap.shape)
    ranked[chosen] = (rankdata(heatmap[chosen]) - 0.5) / max(1, chosen.sum())
    return ranked


Null = dict[str, tuple[float, float, float]]


def null_of(reference: Map, drawn: tuple[int, ...]) -> Null:
    """Return how similar a heatmap and a meaningless one would be: mean and central 95 % of each measure.

    Two maps of 7 × 7 random cells, enlarged to 224 × 224, have a structural similarity of nearly 0.5: a stability is to
    be compared with that, not with 0. Maps with many cells have very skewed values, which alone makes them similar;
    their null is the map itself with its cells shuffled.

    Args:
        reference: The heatmap.
        drawn: Size at which it is drawn.
    """
    if reference.size <= COARSE:
        return _random_null(reference.shape, drawn)
    rng, flat = np.random.default_rng(0), reference.ravel()
    shuffled = (rng.permutation(flat).reshape(reference.shape) for _ in range(SHUFFLES))
    return _summarised([similarity(reference, other, drawn) for other in shuffled])


@functools.lru_cache(maxsize=64)
def _random_null(cells: tuple[int, ...], drawn: tuple[int, ...]) -> Null:
    rng = np.random.default_rng(0)
    return _summarised([similarity(rng.random(cells), rng.random(cells), drawn) for _ in range(NULL_PAIRS)])


def _summarised(found: list[Similarity]) -> Null:
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
