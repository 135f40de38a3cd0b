"""Which OOD detector works: the subspace of feature maps against nearest neighbours and the Mahalanobis distance.

    python benchmarks/ood.py SPLIT [--data ../shared/data] [--model alzheimer_resnet50_small]

SPLIT is the table the model was trained on. Every detector is fitted on 2,048 training scans; its limit rejects 2 % of
the scans of validation people. The fractions rejected are printed for test people and for OOD images: altered test
scans, scikit-image's photographs and textures, noise, and 600 pictures of the brain-tumour set (axial, coronal and
sagittal).
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from core.cohorts import read_split
from core.cohorts.synthetic.ood_images import ood_images
from core.evaluation.ood import REJECTED, fit_ood_model, ood_limit
from core.networks.bundle import open_bundle
from core.networks.inference.loading import load_predictor
from core.networks.inference.predictor import Predictor
from core.networks.ood import signatures
from core.networks.subset import load_subset
from core.scans import read_scan

CHUNK, FITTED, TUMOURS = 64, 2048, 600  # scans at once, training scans used, tumour pictures used
Floats = NDArray[np.float32]
Detector = Callable[[Floats], Floats]  # feature maps to scores


OURS = "feature maps' residual (ours)"


def feature_maps(predictor: Predictor, inputs: Floats) -> Floats:
    """Return N × h × w × channels."""
    starts = range(0, len(inputs), CHUNK)
    given = [np.ascontiguousarray(inputs[start : start + CHUNK], np.float32) for start in starts]
    return np.concatenate([predictor.features_and_logits(one)[0] for one in given])


def detectors_of(known: Floats) -> dict[str, Detector]:
    """Fit every detector on the feature maps of training scans."""
    pooled = known.mean(axis=(1, 2))
    few = PCA(64, random_state=0).fit(pooled)
    near, spread = NearestNeighbors(n_neighbors=1).fit(pooled), LedoitWolf().fit(few.transform(pooled))
    flat = PCA(64, random_state=0).fit(pooled)
    ood_model = fit_ood_model(signatures(known), np.zeros(len(known), np.int64))

    def residual(maps: Floats) -> Floats:
        embedded = maps.mean(axis=(1, 2))
        return np.asarray(np.linalg.norm(embedded - flat.inverse_transform(flat.transform(embedded)), axis=1))

    return {
        "nearest embedding": lambda maps: near.kneighbors(maps.mean(axis=(1, 2)))[0][:, 0],
        "Mahalanobis, 64 axes": lambda maps: spread.mahalanobis(few.transform(maps.mean(axis=(1, 2)))),
        "embeddings' residual": residual,
        OURS: lambda maps: ood_model.scores(maps)[0],
    }


def pictures(data: Path, scans: NDArray) -> dict[str, list[Floats]]:
    """Return OOD images by kind."""
    found = ood_images(list(scans[:: max(1, len(scans) // 50), ..., 0]))
    paths = sorted((data / "brain_tumor_mri").glob("*/*/*.jpg"))
    if not paths:
        print(f"the brain-tumour set is not in {data} and is left out")
        return found
    drawn = np.random.default_rng(0).choice(len(paths), TUMOURS, replace=False)
    chosen = [paths[index] for index in drawn]
    return {**found, "tumours": [read_scan({one.name: one.read_bytes()}).grey() for one in chosen]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model")
    parser.add_argument("--most", type=int, help="pictures of a kind; all if left out")
    options = parser.parse_args()
    predictor, split = load_predictor(open_bundle(options.model)), read_split(options.split)
    parts = {name: load_subset(split, name, predictor.network.recipe).scans for name in ("train", "val", "test")}
    every = -(-len(parts["train"]) // FITTED)
    detectors = detectors_of(feature_maps(predictor, parts["train"][::every]))
    unseen = {name: feature_maps(predictor, parts[name]) for name in ("val", "test")}
    kinds = {
        kind: predictor.inputs(images[: options.most]) for kind, images in pictures(options.data, parts["test"]).items()
    }
    ood_maps = {kind: feature_maps(predictor, inputs) for kind, inputs in kinds.items()}
    print(f"fraction rejected, at limits that reject {REJECTED:.0%} of the scans of validation people")
    print(f"  {'':<26}{'unseen':>8}{'mean':>8}  " + "".join(f"{kind[:14]:>15}" for kind in kinds))
    rejected: dict[str, Floats] = {}
    for name, detector in detectors.items():
        limit = ood_limit(detector(unseen["val"]))
        rejected = {kind: detector(maps) > limit for kind, maps in ood_maps.items()}
        _print(name, detector(unseen["test"]) > limit, rejected)
    scores = detectors[OURS]
    turned = {kind: scores(feature_maps(predictor, inputs[:, ::-1])) for kind, inputs in kinds.items()}
    test_turned = scores(feature_maps(predictor, parts["test"][:, ::-1]))
    test = scores(unseen["test"])
    both = {kind: rejected[kind] | (turned[kind] < scores(ood_maps[kind])) for kind in kinds}
    _print("ours, and turned over", (test > ood_limit(scores(unseen["val"]))) | (test_turned < test), both)


def _print(name: str, unseen: NDArray, rejected: dict[str, NDArray]) -> None:
    fractions = [float(one.mean()) for one in rejected.values()]
    cells = "".join(f"{fraction:>15.1%}" for fraction in fractions)
    print(f"  {name:<26}{unseen.mean():>8.1%}{np.mean(fractions):>8.1%}  {cells}", flush=True)


if __name__ == "__main__":
    main()
