"""What the page about data shows: galleries, splits, and the embeddings of a cohort in the plane."""

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from core.errors import ScanError, StageLensError
from core.networks.recipe import Oversampling
from core.scans import read_scan_file
from core.training.imbalance import oversample
from core.workflows.predict import predictor_of

MOST_EMBEDDED = 1_200  # scans in the plane; more are sampled
SIDE = 32  # of the pixels that stand for embeddings where no model is chosen
SPLIT_TITLES = {
    "subject": "Each person in one part only (recommended)",
    "near-copies": "Near copies in one part only (people are not known)",
    "slice": "By slice, at random (as most publications)",
    "folder": "As the folders came (train and test)",
}


@dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """Embeddings in the plane, real ones first.

    Attributes:
        points: float32, N × 2.
        labels: N class names.
        synthetic: bool, N.
        before: Scans by class.
        after: Embeddings by class, synthetic ones included.
        sampled: Of how many scans these are a sample; None if they are all.
    """

    points: NDArray[np.float32]
    labels: NDArray[np.str_]
    synthetic: NDArray[np.bool_]
    before: dict[str, int]
    after: dict[str, int]
    sampled: int | None


def gallery(table: pd.DataFrame, *, per_class: int, seed: int = 0) -> dict[str, list[NDArray[np.uint8]]]:
    """Return some pictures of each class, uint8, H × W; people differ where they are known."""
    shown: dict[str, list[NDArray[np.uint8]]] = {}
    for label, rows in table.groupby("label", sort=False):
        mixed = rows.sample(frac=1, random_state=seed)
        if (mixed["subject"] != "").all():
            mixed = mixed.drop_duplicates("subject")
        shown[str(label)] = [read_scan_file(path).picture() for path in mixed["path"].head(per_class)]
    return shown


def map_embeddings(
    table: pd.DataFrame,
    classes: tuple[str, ...],
    model: str | None,
    oversampling: Oversampling,
    *,
    umap: bool,
    seed: int,
) -> EmbeddingMap:
    """Embed a cohort, make synthetic embeddings for its rare classes, and lay all of them into the plane.

    Args:
        table: An audit's or a split's table.
        classes: Its classes in their order.
        model: Whose embeddings; None for pixels at 32 × 32.
        oversampling: How synthetic embeddings are made.
        umap: Whether UMAP (McInnes et al. 2018) lays them out, or PCA.
        seed: Of sampling, inventing and laying out.

    Raises:
        StageLensError: A class has too few scans, or the model is of another kind.
    """
    chosen = table
    if len(table) > MOST_EMBEDDED:
        chosen = table.groupby("label", group_keys=False).sample(frac=MOST_EMBEDDED / len(table), random_state=seed)
    features = _embedded(chosen["path"].tolist(), model)
    labels = chosen["label"].map({name: index for index, name in enumerate(classes)}).to_numpy(np.int64)
    target = oversampling.target
    if target is not None:
        target = max(1, round(target * len(chosen) / len(table)))
    how = Oversampling(oversampling.method, target, oversampling.neighbours)
    everything, all_labels = oversample(how, features, labels, seed)
    names = np.array(classes)[all_labels]
    synthetic = np.arange(len(names)) >= len(labels)
    points = _in_the_plane(everything, umap=umap, seed=seed)
    before = {name: int((labels == index).sum()) for index, name in enumerate(classes)}
    after = {name: int((all_labels == index).sum()) for index, name in enumerate(classes)}
    return EmbeddingMap(
        points=points,
        labels=names,
        synthetic=synthetic,
        before=before,
        after=after,
        sampled=len(table) if len(chosen) < len(table) else None,
    )


def _embedded(paths: list[str], model: str | None) -> NDArray[np.float32]:
    intensities = []
    for path in paths:
        try:
            intensities.append(read_scan_file(path).grey())
        except ScanError as error:
            raise StageLensError(str(error)) from error
    if model is None:
        small = [cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel() / 255 for grey in intensities]
        return np.stack(small).astype(np.float32)
    return predictor_of(model).embeddings(intensities)


def _in_the_plane(features: NDArray[np.float32], *, umap: bool, seed: int) -> NDArray[np.float32]:
    if not umap or len(features) < 5:
        return np.asarray(PCA(2, random_state=seed).fit_transform(features), np.float32)
    from umap import UMAP

    neighbours = min(15, len(features) - 1)
    laid = UMAP(n_components=2, n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(features)
    return np.asarray(laid, np.float32)
