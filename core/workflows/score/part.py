"""One part of an archive, scored by one process: some hundred pictures, or a few volumes, into files of its own.

What stands in the tables depends on the scans, the model and the versions alone: each process computes on one core, the
batches of a part are always the same, and how long each scan took lies in a table of its own.
"""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ChoiceNeeded, ScanError, StageLensError
from core.explain.reading import Reading
from core.files import replacing
from core.networks.inference.engine import THREADS_VARIABLE
from core.networks.inference.prediction import Prediction
from core.scans import Scan, read_files, read_scan

BATCH = 64
TABLES = ("slices", "seconds", "unread", "scans")  # in the order they are written: the last says that a part is done


@dataclass(frozen=True)
class Part:
    """Some scans of an archive.

    Attributes:
        name: A hash of the scans' paths, sizes and times, and of the request.
        scans: For each scan its path within the archive, and its files.
    """

    name: str
    scans: tuple[tuple[str, tuple[str, ...]], ...]

    def files(self, out: Path) -> dict[str, Path]:
        """Return the files of its tables."""
        return {table: out / table / f"part-{self.name}.parquet" for table in TABLES}

    def is_done(self, out: Path) -> bool:
        """Tell whether it was scored before."""
        return self.files(out)[TABLES[-1]].is_file()


@dataclass(frozen=True)
class Counts:
    """What came of a part.

    Attributes:
        part: Its name.
        files: How many files it holds.
        scans: How many scans were scored.
    """

    part: str
    files: int
    scans: int


def score_part(part: Part, bundle: str, out: str) -> Counts:
    """Score a part and write its tables, each whole or not at all; one that cannot be read stops no other.

    Args:
        part: The part.
        bundle: Folder of the model.
        out: Folder of the results.
    """
    os.environ[THREADS_VARIABLE] = "1"  # before the network is loaded: one core a process
    from threadpoolctl import threadpool_limits

    from core.workflows.asked import made_ready
    from core.workflows.predict import predict_scans

    with threadpool_limits(1):
        predictor = made_ready(bundle)
        rows: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES}
        for batch in _read(part, rows):
            begun = time.perf_counter()
            try:
                readings = predict_scans([scan for _, _, scan in batch], predictor)
            except StageLensError as error:
                rows["unread"] += [{"path": path, "reason": str(error)} for path, _, _ in batch]
                continue
            each = (time.perf_counter() - begun) / len(batch)
            for (path, digest, _), reading in zip(batch, readings, strict=True):
                rows["scans"].append({"path": path, "sha256": digest, **_scan_row(reading)})
                rows["slices"] += [{"path": path, "sha256": digest, **row} for row in _slice_rows(reading)]
                rows["seconds"].append({"path": path, "seconds": each})
    order = {path: number for number, (path, _) in enumerate(part.scans)}
    for table, file in part.files(Path(out)).items():
        write_rows(file, table, sorted(rows[table], key=lambda row: order[row["path"]]))
    return Counts(part.name, files=sum(len(files) for _, files in part.scans), scans=len(rows["scans"]))


def _read(part: Part, rows: dict[str, list[dict[str, Any]]]) -> Iterator[list[tuple[str, str, Scan]]]:
    """Yield batches of pictures, and volumes one by one, read ahead in a thread: path, SHA-256 and scan of each."""
    waiting: list[tuple[str, str, Scan]] = []
    with ThreadPoolExecutor(1) as ahead:
        coming = [ahead.submit(_opened, scan) for scan in part.scans[:BATCH]]
        for number in range(len(part.scans)):
            path, digest, scan = coming.pop(0).result()
            if number + BATCH < len(part.scans):
                coming.append(ahead.submit(_opened, part.scans[number + BATCH]))
            if isinstance(scan, StageLensError):
                rows["unread"].append({"path": path, "reason": str(scan)})
            elif scan.is_volume:
                yield [(path, digest, scan)]
            else:
                waiting.append((path, digest, scan))
                if len(waiting) == BATCH:
                    yield waiting
                    waiting = []
    if waiting:
        yield waiting


def _opened(scan: tuple[str, tuple[str, ...]]) -> tuple[str, str, Scan | StageLensError]:
    """Return a scan's path, the SHA-256 of its files, and the scan, or why it is none."""
    path, names = scan
    try:
        files = read_files(names)
        digest = hashlib.sha256()
        for data in files.values():
            digest.update(data)
        return path, digest.hexdigest(), read_scan(files)
    except ChoiceNeeded as error:
        return path, "", ScanError(f"{error} An archive takes files of one scan each.")
    except StageLensError as error:
        return path, "", error


def _scan_row(reading: Reading) -> dict[str, Any]:
    prediction = reading.prediction
    ood, said = prediction.ood, prediction.as_dict()
    sets = said["prediction_set"]
    return {
        "kind": "volume" if reading.scan.is_volume else "picture",
        "slices": 1 if prediction.slice_logits is None else len(prediction.slice_logits),
        "logits": prediction.logits.astype(np.float32).tolist(),
        "probabilities": None if said["probabilities"] is None else list(said["probabilities"].values()),
        "answer": said["answer"],
        "set": None if sets is None else sets["classes"],
        "calibrated": said["calibrated"],
        "rejected": prediction.rejected,
        "ood": None if ood is None else ood.score,
        "ood_limit": None if ood is None else ood.limit,
        "warnings": list(reading.warnings),
    }


def _slice_rows(reading: Reading) -> list[dict[str, Any]]:
    """Return a row a slice; slices of a scan that is rejected have logits and no probabilities."""
    prediction: Prediction = reading.prediction
    given = not prediction.rejected
    logits = prediction.logits[None] if prediction.slice_logits is None else prediction.slice_logits
    heights = prediction.heights_mm or (None,) * len(logits)
    return [
        {
            "height_mm": height,
            "logits": row.astype(np.float32).tolist(),
            "probabilities": chances.tolist() if given else None,
        }
        for height, row, chances in zip(heights, logits, prediction.slice_probabilities, strict=True)
    ]


def write_rows(file: Path, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of one of the tables as Parquet, whole or not at all."""
    import pyarrow
    import pyarrow.parquet

    text, numbers = pyarrow.string(), pyarrow.list_(pyarrow.float64())
    shared = [("path", text), ("sha256", text)]
    logits = [("logits", pyarrow.list_(pyarrow.float32())), ("probabilities", numbers)]
    schema = {
        "slices": [*shared, ("height_mm", pyarrow.float64()), *logits],
        "seconds": [("path", text), ("seconds", pyarrow.float64())],
        "unread": [("path", text), ("reason", text)],
        "scans": [
            *shared,
            ("kind", text),
            ("slices", pyarrow.int64()),
            *logits,
            ("answer", text),
            ("set", pyarrow.list_(text)),
            ("calibrated", pyarrow.bool_()),
            ("rejected", pyarrow.bool_()),
            ("ood", pyarrow.float64()),
            ("ood_limit", pyarrow.float64()),
            ("warnings", pyarrow.list_(text)),
        ],
    }[table]
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as unfinished:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), pyarrow.schema(schema)), unfinished)
