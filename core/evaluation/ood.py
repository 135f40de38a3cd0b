"""Fitting an OOD model: the plane from scans a network was trained on, the limit from scans of other people."""

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from core.networks.ood import OodModel

AXES = 64  # at most, and no more than one for every 32 scans: as many axes as scans would fit anything
SCANS_PER_AXIS = 32
REJECTED = 0.02  # of the scans of people the network was not trained on

Floats = NDArray[np.float32]


def fit_ood_model(known: Floats, labels: NDArray[np.int64], *, axes: int | None = None) -> OodModel:
    """Find the plane that training scans lie in.

    Args:
        known: Their `core.networks.ood.signatures`, N × features, N at least 2.
        labels: int64, N, their class indices.
        axes: Of the plane; None for as many as there are scans enough for.
    """
    wanted = axes or max(1, min(AXES, len(known) // SCANS_PER_AXIS))
    plane = PCA(min(wanted, known.shape[1]), svd_solver="randomized", random_state=0).fit(known)
    mean, directions = plane.mean_.astype(np.float32), plane.components_.astype(np.float16).astype(np.float32)
    return OodModel(mean, directions, (known - mean) @ directions.T, labels)  # directions as they are kept


def ood_limit(scores: Floats, *, rejected: float = REJECTED) -> float:
    """Return the score above which scans are rejected.

    Training people will not do: the network was fitted to their feature maps, and unseen people lie further out.

    Args:
        scores: Of scans of people the network was not trained on.
        rejected: Fraction of them that may be.
    """
    return float(np.quantile(scores, 1 - rejected, method="higher"))
