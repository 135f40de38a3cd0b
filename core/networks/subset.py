"""The scans of a split, decoded once, at the network's size, as bytes; memory-mapped if there are many."""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import CohortError
from core.files import read_file
from core.networks.architectures.geometry import fit_size, input_shape
from core.networks.recipe import Recipe
from core.scans import read_scan, read_slice

CHUNK = 128
IN_MEMORY = 2 << 30  # bytes; anything larger is kept in a memory-mapped file


@dataclass(frozen=True, eq=False)
class Subset:
    """One part of a split.

    Attributes:
        scans: uint8, N × height × width × 1 (depth first for volumes), grey levels in [0, 255]; rounding to integers
            changes probabilities less than float16 weights do.
        labels: int64, N, indices into the recipe's classes.
        subjects: N names of people, "" if unknown.
        digests: N SHA-256 sums of the files.
        name: Of the part: train, val or test; "" where it is none.
    """

    scans: NDArray[np.uint8]
    labels: NDArray[np.int64]
    subjects: NDArray[np.str_]
    digests: tuple[str, ...]
    name: str = ""


def load_subset(split: pd.DataFrame, part: str, recipe: Recipe, *, store: Path | None = None) -> Subset:
    """Read the scans of one part of a split.

    Args:
        split: A split table.
        part: train, val or test.
        recipe: The recipe that gives the size and the classes.
        store: Folder for a part that is too large for memory; None keeps everything in memory.

    Raises:
        CohortError: The part is empty, or has a class that the recipe does not have.
        ScanError: A file cannot be read.
    """
    rows = split[split["part"] == part]
    if rows.empty:
        raise CohortError(f"the {part} part of the split is empty.")
    classes_of = {name: recipe.as_task().class_of(name) for name in set(rows["label"])}
    labels = rows["label"].map({name: recipe.classes.index(known) for name, known in classes_of.items() if known})
    if labels.isna().any():
        unknown = sorted(set(rows.loc[labels.isna(), "label"]))[0]
        classes = ", ".join(recipe.classes)
        raise CohortError(f"the split has the class {unknown!r}; this recipe expects {classes}.")
    shape = (len(rows), *input_shape(recipe))
    if store is not None and np.prod(shape, dtype=np.int64) > IN_MEMORY:
        store.mkdir(parents=True, exist_ok=True)
        scans: NDArray[np.uint8] = np.lib.format.open_memmap(
            store / f"{part}.npy", mode="w+", dtype=np.uint8, shape=shape
        )
    else:
        scans = np.empty(shape, np.uint8)
    digests = _read_into(scans, rows["path"].tolist(), recipe)
    return Subset(scans, labels.to_numpy(np.int64), rows["subject"].to_numpy(str), digests, part)


def together(parts: Sequence[Subset], chosen: NDArray[np.bool_]) -> Subset:
    """Return several parts as one, without a name; `chosen`, of all their scans one after the other, says which."""
    digests = [digest for part in parts for digest in part.digests]
    return Subset(
        np.concatenate([part.scans for part in parts])[chosen],
        np.concatenate([part.labels for part in parts])[chosen],
        np.concatenate([part.subjects for part in parts])[chosen],
        tuple(digests[index] for index in np.flatnonzero(chosen)),
    )


def read_scans(paths: Sequence[str], recipe: Recipe) -> NDArray[np.uint8]:
    """Read files at a recipe's size, as `Subset.scans`.

    Raises:
        CohortError: A file cannot be opened.
        ScanError: A file cannot be read.
    """
    scans = np.empty((len(paths), *input_shape(recipe)), np.uint8)
    _read_into(scans, paths, recipe)
    return scans


def _read_into(scans: NDArray[np.uint8], paths: Sequence[str], recipe: Recipe) -> tuple[str, ...]:
    """Fill an array with the scans of the files, and return the files' SHA-256 sums."""
    digests: list[str] = []
    read_one = _read_slice if recipe.depth is None else _read_volume
    chunk = CHUNK if recipe.depth is None else 4
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), chunk):
            read = list(pool.map(read_one, paths[start : start + chunk]))
            inputs = fit_size(recipe, [image for image, _ in read])
            scans[start : start + len(read)] = np.rint(np.clip(inputs, 0, 255, out=inputs), out=inputs)
            digests.extend(digest for _, digest in read)
    return tuple(digests)


def fingerprint(parts: list[Subset]) -> str:
    """Return the SHA-256 of the data (sorted contents and labels), independent of file names."""
    return _fingerprint(pair for part in parts for pair in zip(part.digests, part.labels.tolist(), strict=True))


def fingerprint_of_split(split: pd.DataFrame, recipe: Recipe) -> str:
    """Return the same of the files of a split, without decoding them.

    Raises:
        CohortError: A file cannot be opened.
    """
    number = {name: index for index, name in enumerate(recipe.classes)}
    labels = [number.get(label, -1) for label in split["label"]]
    with ThreadPoolExecutor() as pool:
        digests = pool.map(lambda path: hashlib.sha256(_bytes_of(path)).hexdigest(), split["path"])
        return _fingerprint(zip(digests, labels, strict=True))


def _fingerprint(files: Iterable[tuple[str, int]]) -> str:
    lines = sorted(f"{digest} {label}" for digest, label in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def volume_as_seen(voxels: NDArray) -> NDArray[np.float32]:
    """Orient a volume along RAS+ (X × Y × Z) for 3D networks: slices from below, rows from back to front, columns from
    the patient's right to left; values are scaled to [0, 255] unless they are bytes already.
    """
    turned = np.ascontiguousarray(voxels.transpose(2, 1, 0)[:, :, ::-1], np.float32)
    if turned.min() >= 0 and 1 < turned.max() <= 255:
        return turned
    low, high = float(turned.min()), float(turned.max())
    return (turned - low) * np.float32(255 / max(high - low, 1e-12))


def _read_slice(path: str) -> tuple[NDArray[np.float32], str]:
    data = _bytes_of(path)
    return read_slice({Path(path).name: data}).grey(), hashlib.sha256(data).hexdigest()


def _read_volume(path: str) -> tuple[NDArray[np.float32], str]:
    data = _bytes_of(path)
    scan = read_scan({Path(path).name: data})
    if not scan.is_volume:
        raise CohortError(f"{path} is a picture, but this recipe reads volumes; give volumes.")
    return volume_as_seen(scan.voxels), hashlib.sha256(data).hexdigest()


def _bytes_of(path: str) -> bytes:
    try:
        return read_file(Path(path))
    except OSError as error:
        where = "" if Path(path).is_absolute() else "; give the command in the folder in which the split was made"
        raise CohortError(f"{path} is in the split table but cannot be opened: {error.strerror}{where}.") from error
