"""Stored embeddings: computed once for each backbone, cohort and view, kept as .npy with a table.

STORE/<key>/about.json                          what they belong to: backbone, weights, geometry, precision, software
STORE/<key>/train_resnet50_<digest>_view0.npy   float32, N × features, of a part and a backbone; view 0 is the unchanged
                                                scans, others are augmented
STORE/<key>/train_resnet50_<digest>.csv         one row per scan: index, label, subject, SHA-256 of the file
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.files import replacing, write_json, write_table
from core.networks.architectures.network import Network
from core.networks.backend import Forward, compile_model, in_batches
from core.networks.subset import Subset
from core.networks.weights.tensors import weights_hash
from core.runs.request import versions

CHUNK = 256


class EmbeddingStore:
    """Embeddings from one backbone with its weights, in a folder that several runs can share."""

    def __init__(self, folder: Path, network: Network, *, precision: str = "float32") -> None:
        recipe = network.recipe
        self.network = network
        about = {
            "backbone": recipe.backbone,
            "weights": weights_hash(network),
            "input": list(network.input_shape),
            "precision": precision,
            "versions": versions(),
            "augmentation": asdict(recipe.augmentation),
            "seed": recipe.seed,
        }
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = folder / key
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "about.json", about)
        self._forward: Forward | None = None

    def path(self, part: Subset, view: int = 0) -> Path:
        """Return the path at which the embeddings of a part are, or will be, stored."""
        return self.folder / f"{self._stem(part)}_view{view}.npy"

    def get(self, part: Subset, view: int = 0) -> NDArray[np.float32]:
        """Return embeddings, N × features, from disk or by one pass through the backbone.

        Args:
            part: The scans.
            view: 0 for the unchanged scans; 1 and more for random views by the recipe's augmentation.
        """
        path = self.path(part, view)
        if path.exists():
            stored: NDArray[np.float32] = np.load(path)
            return stored
        if self._forward is None:
            self._forward = compile_model(self.network.embedder)
        chunks = []
        for start in range(0, len(part.labels), CHUNK):
            scans: NDArray = part.scans[start : start + CHUNK]
            if view:
                scans = self.network.view(scans, _seed(self.network.recipe.seed, view, start))
            chunks.append(in_batches(self._forward, scans, self.network.recipe.batch_size))
        embeddings = np.concatenate(chunks)
        with replacing(path) as unfinished, unfinished.open("wb") as stream:
            np.save(stream, embeddings)
        table = pd.DataFrame({"label": part.labels, "subject": part.subjects, "sha256": part.digests})
        write_table(self.folder / f"{self._stem(part)}.csv", table.rename_axis("index").reset_index())
        return embeddings

    def _stem(self, part: Subset) -> str:
        """Return what the names of a part's files begin with."""
        return "_".join(filter(None, (part.name, self.network.recipe.backbone, _digest(part))))


def _digest(part: Subset) -> str:
    lines = (f"{digest} {label}" for digest, label in zip(part.digests, part.labels.tolist(), strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _seed(seed: int, view: int, start: int) -> int:
    return int(np.random.default_rng([seed, view, start]).integers(2**31))
