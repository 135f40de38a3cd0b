"""The scans of a split, in memory, at the network's size."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import CohortError
from core.networks.network import Network
from core.scans import read_slice

CHUNK = 512


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a split.

    Attributes:
        scans: float32, N × height × width × 1, grey in [0, 255].
        labels: int64, N, places in the recipe's classes.
        subjects: N names of people, "" where unknown.
        digests: N SHA-256 sums of the files.
    """

    scans: NDArray[np.float32]
    labels: NDArray[np.int64]
    subjects: NDArray[np.str_]
    digests: tuple[str, ...]


def load_part(split: pd.DataFrame, part: str, network: Network) -> Part:
    """Read the scans of one part of a split.

    Raises:
        CohortError: The part is empty, or holds a class the recipe does not know.
        ScanError: A file cannot be read.
    """
    rows = split[split["part"] == part]
    if rows.empty:
        raise CohortError(f"the split has no {part} part.")
    labels = rows["label"].map({name: place for place, name in enumerate(network.recipe.classes)})
    if labels.isna().any():
        unknown = sorted(set(rows.loc[labels.isna(), "label"]))[0]
        classes = ", ".join(network.recipe.classes)
        raise CohortError(f"the split holds the class {unknown!r}; this recipe knows {classes}.")
    scans = np.empty((len(rows), network.recipe.height, network.recipe.width, 1), np.float32)
    digests: list[str] = []
    paths = rows["path"].tolist()
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), CHUNK):
            read = list(pool.map(_read, paths[start : start + CHUNK]))
            scans[start : start + len(read)] = network.fit_size([grey for grey, _ in read])
            digests.extend(digest for _, digest in read)
    return Part(scans, labels.to_numpy(np.int64), rows["subject"].to_numpy(str), tuple(digests))


def fingerprint(parts: list[Part]) -> str:
    """Return the SHA-256 of what the data are, whatever the files are called: contents and labels, sorted."""
    lines = sorted(
        f"{digest} {label}" for part in parts for digest, label in zip(part.digests, part.labels.tolist(), strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _read(path: str) -> tuple[NDArray[np.float32], str]:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CohortError(f"{path} is in the split table but cannot be opened: {error.strerror}.") from error
    return read_slice({Path(path).name: data}).grey(), hashlib.sha256(data).hexdigest()
