"""Is this scan like those a network was trained on? Asked of its feature maps, so that no further pass is needed.

What the training scans have in common is a plane in the space of feature maps; a scan is as foreign as its feature map
lies far from it: the feature reconstruction error of Ndiour, Ahuja and Tickoo (arXiv:2012.04250), the residual of Wang
et al., ViM, CVPR 2022. Distances to the nearest training scans and Mahalanobis' distance along the plane were tried
first and miss most of what is foreign to a network that has learned to tell stages only (docs/background/evaluation.md).
The place of a feature within the map is kept: what is upside down has the same features elsewhere.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BundleError, WeightsError
from core.networks.weights.tensors import load_tensors, save_tensors

OOD_FILE = "ood.safetensors"
GRID = 4  # cells of a feature map along each axis, at most
NEAREST = 10

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class OodScore:
    """How foreign a scan is to a network.

    Attributes:
        score: Distance of its feature map from the plane of the training scans'.
        limit: The distance from which on a scan is refused.
        similar: How many of the nearest training scans are of each class.
        turned: The score of the same scan upside down; None where that was not tried.
    """

    score: float
    limit: float
    similar: dict[str, int]
    turned: float | None = None

    @property
    def upside_down(self) -> bool:
        """Whether the scan looks more like what the network was trained on when it is turned upside down."""
        return self.turned is not None and self.turned < self.score

    @property
    def rejected(self) -> bool:
        """Whether the scan does not look like what the network was trained on."""
        return self.upside_down or not self.score <= self.limit

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "upside_down": self.upside_down}


@dataclass(frozen=True, eq=False)
class OodModel:
    """What a network knows: the plane of its training scans' signatures, and where on it each of them lies.

    Attributes:
        mean: float32, features.
        axes: float32, k × features, orthonormal.
        known: float32, N × k, training scans along the axes.
        labels: int64, N, places of their classes.
    """

    mean: Floats
    axes: Floats
    known: Floats
    labels: NDArray[np.int64]

    def scores(self, feature_maps: Floats) -> tuple[Floats, Floats]:
        """Return the distance of each feature map from the plane, N, and its place on the plane, N × k."""
        apart = signatures(feature_maps) - self.mean
        along = apart @ self.axes.T
        off = apart - along @ self.axes
        return np.asarray(np.linalg.norm(off, axis=1), np.float32), np.asarray(along, np.float32)

    def ood(self, feature_maps: Floats, classes: tuple[str, ...], limit: float) -> OodScore:
        """Tell how foreign a scan is; of several slices of one head, how foreign the middle one of them is."""
        scores, along = self.scores(feature_maps)
        nearest = np.argsort(((self.known - np.median(along, axis=0)) ** 2).sum(axis=1))[:NEAREST]
        similar = Counter(classes[label] for label in self.labels[nearest])
        return OodScore(float(np.median(scores)), limit, dict(similar.most_common()))


def signatures(feature_maps: Floats) -> Floats:
    """Return what a scan is recognised by: feature maps, N × … × channels, averaged into at most 4 cells along each
    axis, their roots taken so that no few strong features decide, flat.
    """
    pooled: Floats = feature_maps
    for axis in range(1, feature_maps.ndim - 1):
        size = feature_maps.shape[axis]
        if size > GRID:
            edges = np.round(np.linspace(0, size, GRID + 1)).astype(int)
            sums = np.add.reduceat(pooled, edges[:-1], axis=axis)
            shape = [1] * feature_maps.ndim
            shape[axis] = GRID
            pooled = np.asarray(sums / np.diff(edges).reshape(shape), np.float32)
    return np.ascontiguousarray((np.sign(pooled) * np.sqrt(np.abs(pooled))).reshape(len(pooled), -1), np.float32)


def write_ood_model(folder: Path, ood_model: OodModel) -> None:
    """Write what a network knows beside its weights: coordinates and classes, no pictures."""
    save_tensors(folder / OOD_FILE, {
        "mean": ood_model.mean, "axes": ood_model.axes.astype(np.float16), "known": ood_model.known.astype(np.float16),
        "labels": ood_model.labels.astype(np.int16),
    })  # fmt: skip


def read_ood_model(folder: Path) -> OodModel:
    """Read what a bundle's network knows.

    Raises:
        BundleError: The file is missing or damaged.
    """
    try:
        tensors = load_tensors(folder / OOD_FILE)
        mean, axes, known, labels = (tensors[name] for name in ("mean", "axes", "known", "labels"))
        if axes.shape[1:] != mean.shape or known.shape != (len(labels), len(axes)):
            raise WeightsError("its shapes do not fit each other")
    except (WeightsError, KeyError) as error:
        raise BundleError(f"{folder.name} cannot tell foreign scans: {OOD_FILE} is missing or damaged.") from error
    return OodModel(mean.astype(np.float32), axes.astype(np.float32), known.astype(np.float32), labels.astype(np.int64))
