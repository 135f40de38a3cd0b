"""Which way of telling foreign scans works: the plane of feature maps against nearest neighbours and Mahalanobis.

    python benchmarks/novelty.py SPLIT [--data ../shared/data] [--model alzheimer_resnet50_small]

SPLIT is the table the model was trained on. Every way is learned on 2,048 training scans; its limit refuses 2 % of the
scans of validation people. Printed are the shares refused of test people and of foreign pictures: made of test scans,
scikit-image's photographs and textures, noise, and 600 pictures of the brain-tumour set (axial, coronal and sagittal).
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
from core.networks.inference.predictor import Predictor, load_predictor
from core.networks.ood import signatures
from core.networks.subset import load_subset
from core.scans import read_scan

CHUNK, SYNTHETIC, TUMOURS = 64, 2048, 600
Floats = NDArray[np.float32]
Scheme = Callable[[Floats], Floats]  # feature maps to scores


def feature_maps(predictor: Predictor, inputs: Floats) -> Floats:
    """Return N × h × w × channels."""
    starts = range(0, len(inputs), CHUNK)
    given = [np.ascontiguousarray(inputs[start : start + CHUNK], np.float32) for start in starts]
    return np.concatenate([predictor.features_and_logits(one)[0] for one in given])


def ways_of(known: Floats) -> dict[str, Scheme]:
    """Learn every way on the feature maps of training scans."""
    pooled = known.mean(axis=(1, 2))
    few = PCA(64, random_state=0).fit(pooled)
    near, spread = NearestNeighbors(n_neighbors=1).fit(pooled), LedoitWolf().fit(few.transform(pooled))
    flat = PCA(64, random_state=0).fit(pooled)
    ood_model = fit_ood_model(signatures(known), np.zeros(len(known), np.int64))

    def off_plane(maps: Floats) -> Floats:
        embedded = maps.mean(axis=(1, 2))
        return np.asarray(np.linalg.norm(embedded - flat.inverse_transform(flat.transform(embedded)), axis=1))

    return {
        "nearest embedding": lambda maps: near.kneighbors(maps.mean(axis=(1, 2)))[0][:, 0],
        "Mahalanobis, 64 axes": lambda maps: spread.mahalanobis(few.transform(maps.mean(axis=(1, 2)))),
        "off the embeddings' plane": off_plane,
        "off the maps' plane (ours)": lambda maps: ood_model.scores(maps)[0],
    }


def pictures(data: Path, scans: NDArray) -> dict[str, list[Floats]]:
    """Return foreign pictures by kind."""
    found = ood_images(list(scans[:: max(1, len(scans) // 50), ..., 0]))
    paths = sorted((data / "brain_tumor_mri").glob("*/*/*.jpg"))
    if not paths:
        print(f"the brain-tumour set is not in {data}: left out")
        return found
    drawn = np.random.default_rng(0).choice(len(paths), TUMOURS, replace=False)
    chosen = [paths[index] for index in drawn]
    return {**found, "tumours": [read_scan({one.name: one.read_bytes()}).grey() for one in chosen]}


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("split", type=Path)
    asked.add_argument("--data", type=Path, default=Path("../shared/data"))
    asked.add_argument("--model")
    given = asked.parse_args()
    predictor, split = load_predictor(open_bundle(given.model)), read_split(given.split)
    parts = {name: load_subset(split, name, predictor.network.recipe).scans for name in ("train", "val", "test")}
    every = -(-len(parts["train"]) // SYNTHETIC)
    schemes = ways_of(feature_maps(predictor, parts["train"][::every]))
    unseen = {name: feature_maps(predictor, parts[name]) for name in ("val", "test")}
    kinds = {kind: predictor.inputs(intensities) for kind, intensities in pictures(given.data, parts["test"]).items()}
    ood_rejection = {kind: feature_maps(predictor, inputs) for kind, inputs in kinds.items()}
    print(f"share refused, at limits that refuse {REJECTED:.0%} of the scans of validation people")
    print(f"  {'':<26}{'unseen':>8}{'mean':>8}  " + "".join(f"{kind[:14]:>15}" for kind in kinds))
    rejected: dict[str, Floats] = {}
    for name, scheme in schemes.items():
        limit = ood_limit(scheme(unseen["val"]))
        rejected = {kind: scheme(maps) > limit for kind, maps in ood_rejection.items()}
        _print(name, scheme(unseen["test"]) > limit, rejected)
    scores = schemes["off the maps' plane (ours)"]
    over = {kind: scores(feature_maps(predictor, inputs[:, ::-1])) for kind, inputs in kinds.items()}
    turned = scores(feature_maps(predictor, parts["test"][:, ::-1]))
    own = scores(unseen["test"])
    both = {kind: rejected[kind] | (over[kind] < scores(ood_rejection[kind])) for kind in kinds}
    _print("ours, and turned over", (own > ood_limit(scores(unseen["val"]))) | (turned < own), both)


def _print(name: str, unseen: NDArray, rejected: dict[str, NDArray]) -> None:
    fractions = [float(one.mean()) for one in rejected.values()]
    cells = "".join(f"{fraction:>15.1%}" for fraction in fractions)
    print(f"  {name:<26}{unseen.mean():>8.1%}{np.mean(fractions):>8.1%}  {cells}", flush=True)


if __name__ == "__main__":
    main()
