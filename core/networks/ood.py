"""Out-of-distribution (OOD) detection from a network's feature maps, without a further pass.

The feature maps of the training scans span a subspace; the OOD score of a scan is the distance of its feature map from
it: the feature reconstruction error of Ndiour, Ahuja and Tickoo (arXiv:2012.04250), the residual of Wang et al., ViM,
CVPR 2022. Distances to the nearest training scans and the Mahalanobis distance within the subspace were tried first and
miss most OOD scans for a network that has only learned to distinguish stages (docs/background/evaluation.md). The
position of a feature within the map is kept: a scan turned upside down has the same features in other positions.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BundleError, WeightsError
from core.networks.bundle import OOD_FILE
from core.networks.weights.storage import load_tensors, save_tensors

GRID = 4  # at most so many cells along each axis of a feature map
NEAREST = 10

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class OodScore:
    """How far a scan is from a network's training distribution.

    Attributes:
        score: Distance of its feature map from the subspace of the training scans.
        limit: The largest distance at which a scan is accepted.
        similar: How many of the nearest training scans belong to each class.
        turned: The score of the same scan upside down; None if that was not tried.
    """

    score: float
    limit: float
    similar: dict[str, int]
    turned: float | None = None

    @property
    def upside_down(self) -> bool:
        """Whether the scan is closer to the training scans when it is turned upside down."""
        return self.turned is not None and self.turned < self.score

    @property
    def rejected(self) -> bool:
        """Whether the scan is out-of-distribution."""
        return self.upside_down or not self.score <= self.limit

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "upside_down": self.upside_down}


@dataclass(frozen=True, eq=False)
class OodModel:
    """The subspace of the training scans' signatures, and the coordinates of each training scan in it.

    Attributes:
        mean: float32, features.
        axes: float32, k × features, orthonormal.
        known: float32, N × k, coordinates of the training scans along the axes.
        labels: int64, N, indices of their classes.
    """

    mean: Floats
    axes: Floats
    known: Floats
    labels: NDArray[np.int64]

    def scores(self, feature_maps: Floats) -> tuple[Floats, Floats]:
        """Return the distance of each feature map from the subspace, N, and its coordinates in it, N × k."""
        centred = signatures(feature_maps) - self.mean
        along = centred @ self.axes.T
        residual = centred - along @ self.axes
        return np.asarray(np.linalg.norm(residual, axis=1), np.float32), np.asarray(along, np.float32)

    def judged(
        self, scores: Floats, along: Floats, classes: tuple[str, ...], limit: float, *, turned: float | None = None
    ) -> OodScore:
        """Return the OOD score of a scan; for several slices of one head, the median over the slices.

        Args:
            scores: float32, of its slices.
            along: float32, slices × k, as `scores` returns them.
            classes: Of the network.
            limit: The largest score at which a scan is accepted.
            turned: Its score upside down, if that was tried.
        """
        nearest = np.argsort(((self.known - np.median(along, axis=0)) ** 2).sum(axis=1))[:NEAREST]
        similar = Counter(classes[label] for label in self.labels[nearest])
        return OodScore(float(np.median(scores)), limit, dict(similar.most_common()), turned)


def signatures(feature_maps: Floats) -> Floats:
    """Reduce feature maps, N × … × channels, to N × features: averaged into at most 4 cells along each axis, then the
    signed square root, so that a few strong features do not dominate.
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
    """Write an OOD model into a bundle: coordinates and classes, no pictures."""
    tensors: dict[str, NDArray[np.generic]] = {
        "mean": ood_model.mean,
        "axes": ood_model.axes.astype(np.float16),
        "known": ood_model.known.astype(np.float16),
        "labels": ood_model.labels.astype(np.int16),
    }
    save_tensors(folder / OOD_FILE, tensors)


def read_ood_model(folder: Path) -> OodModel:
    """Read a bundle's OOD model.

    Raises:
        BundleError: The file is missing or damaged.
    """
    try:
        tensors = load_tensors(folder / OOD_FILE)
        mean, axes, known, labels = (tensors[name] for name in ("mean", "axes", "known", "labels"))
        if axes.shape[1:] != mean.shape or known.shape != (len(labels), len(axes)):
            raise WeightsError("its shapes do not match each other")
    except (WeightsError, KeyError) as error:
        raise BundleError(
            f"{folder.name} cannot detect out-of-distribution scans: {OOD_FILE} is missing or damaged."
        ) from error
    return OodModel(mean.astype(np.float32), axes.astype(np.float32), known.astype(np.float32), labels.astype(np.int64))
