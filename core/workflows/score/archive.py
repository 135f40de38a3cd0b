"""An archive in parts, each scored by whichever process is free; what was done stays done.

The archive is listed while it is scored, so neither its size nor what came of it is held in memory. Parts go through
joblib: to processes of this machine, or to a Dask cluster whose workers see the same folders.
"""

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.backend_choice import installed_version
from core.errors import StageLensError, Unopened
from core.files import read_json, write_json
from core.networks.bundle import Bundle, check_digests
from core.runs.request import versions
from core.runs.worker import end_with_parent
from core.scans.folders import Found, each_scan
from core.scans.names import printable
from core.workflows.score.part import TABLES, Counts, Part, score_part, write_rows

PICTURES, VOLUME_WEIGHT = 128, 16  # a part's worth of pictures; a file of this size or a series counts for so many
LARGE = 2 * 1024 * 1024  # bytes; a larger file is taken for a volume
REQUEST_FILE, LOCK_FILE = "score.json", ".lock"
UNOPENED = "unopened"  # the part of what could not be opened
FORMAT = 1
MOST_RESTARTS = 3  # in a row, without a part in between

Done = Callable[[Counts], None]


@dataclass
class Scored:
    """What came of an archive.

    Attributes:
        out: Folder of the tables.
        now: How many scans were scored now; all else is of all that lies in the tables.
        resumed: How many parts had been scored before.
        scans: How many scans were scored.
        slices: How many slices were.
        rejected: How many scans were rejected.
        unread: How many files or scans could not be read, or got no answer.
        answers: How many scans got each answer.
    """

    out: Path
    now: int = 0
    resumed: int = 0
    scans: int = 0
    slices: int = 0
    rejected: int = 0
    unread: int = 0
    answers: Counter[str] = field(default_factory=Counter)


def score_archive(
    folder: Path,
    out: Path,
    bundle: Bundle,
    *,
    workers: int | None = None,
    scheduler: str = "",
    done: Done = lambda counts: None,
) -> Scored:
    """Score every scan in a folder into Parquet tables: `scans` (a row a scan), `slices`, `unread` and `seconds`.

    A run that was stopped goes on where it was; scans that were added or changed since are scored, and those that are
    gone are taken out. The tables `scans`, `slices` and `unread` do not depend on the number of workers.

    Args:
        folder: The archive, of any size and depth.
        out: Folder of the results; new, or that of an earlier run with the same model and versions.
        bundle: The model.
        workers: Processes of this machine; None for one a core.
        scheduler: Address of a Dask scheduler instead, whose workers see `folder`, `out` and the model.
        done: Called with what came of each part.

    Raises:
        StageLensError: `out` holds something else, the folder is none, or Dask is not there.
    """
    if not folder.is_dir():
        raise StageLensError(f"{folder} is not a folder; give an archive of scans.")
    folder = folder.resolve()  # a worker on another machine is in another folder
    beside = {name: installed_version(name) for name in ("openvino", "pillow")}
    request = {
        "format": FORMAT,
        "model": bundle.name,
        "files": check_digests(bundle),
        "versions": versions() | beside,
    }
    _claim(out, request)
    with _alone(out):
        run = _Run(folder, out, request)
        now = _score_missing(run, str(bundle.folder.resolve()), workers, scheduler, done)
        _forget(out, run.kept)
        for table in TABLES:  # so that each is there, whatever the archive holds
            rows = run.unopened() if table == "unread" else []
            write_rows(out / table / f"part-{UNOPENED}.parquet", table, rows)
        return _in_all(out, run, now)


def _score_missing(run: "_Run", bundle: str, workers: int | None, scheduler: str, done: Done) -> int:
    """Score what was not scored yet; return how many scans were."""
    restarts = now = 0
    while True:
        try:
            for counts in _through(run.missing(), bundle, str(run.out.resolve()), workers, scheduler):
                run.made.add(counts.part)
                now += counts.scans
                restarts = 0
                done(counts)
        except _lost() as error:
            restarts += 1
            if restarts > MOST_RESTARTS:
                raise StageLensError(
                    f"a worker process ended again and again ({type(error).__name__}), probably for lack of memory; "
                    "try fewer workers. What was scored stays."
                ) from error
        else:
            return now


def _in_all(out: Path, run: "_Run", now: int) -> Scored:
    """Count what the tables hold, part by part."""
    import pyarrow.parquet

    whole = Scored(out, now=now, resumed=len(run.kept - run.made))
    for name in (*sorted(run.kept), UNOPENED):
        scans = pyarrow.parquet.read_table(
            out / "scans" / f"part-{name}.parquet", columns=["answer", "rejected", "slices"]
        )
        whole.scans += scans.num_rows
        whole.slices += sum(scans.column("slices").to_pylist())
        whole.rejected += sum(scans.column("rejected").to_pylist())
        whole.answers.update(one for one in scans.column("answer").to_pylist() if one is not None)
        whole.unread += pyarrow.parquet.read_metadata(out / "unread" / f"part-{name}.parquet").num_rows
    return whole


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Let one run at a time write into a folder of results.

    Raises:
        StageLensError: Another does.
    """
    try:
        with FileLock(out / LOCK_FILE, timeout=0):
            yield
    except Timeout as error:
        raise StageLensError(f"another run is writing to {out}; wait for it, or give another folder.") from error


@dataclass
class _Run:
    """Which parts there are, and which of them were scored now."""

    folder: Path
    out: Path
    request: dict[str, Any]
    kept: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    errors: list[Unopened] = field(default_factory=list)

    def unopened(self) -> list[dict[str, str]]:
        """Return the path within the archive, and the reason, of what could not be opened."""
        within = str(self.folder) + os.sep
        return [{"path": printable(one.path.removeprefix(within)), "reason": str(one)} for one in self.errors]

    def missing(self) -> Iterator[Part]:
        """List the archive, and yield the parts that were not scored yet."""
        self.kept.clear()
        self.errors.clear()
        for part in _parts(self.folder, self.request, self.errors):
            self.kept.add(part.name)
            if not part.is_done(self.out):
                yield part


def _through(parts: Iterator[Part], bundle: str, out: str, workers: int | None, scheduler: str) -> Iterator[Counts]:
    """Score parts through joblib; they come back as they are done."""
    import joblib

    with contextlib.ExitStack() as stack:
        jobs = _client(stack, scheduler) if scheduler else workers or os.cpu_count() or 1
        here = {"initializer": end_with_parent, "initargs": (os.getpid(),)}  # however this ends, its processes do
        stack.enter_context(
            joblib.parallel_config(backend="dask", n_jobs=jobs)
            if scheduler
            else joblib.parallel_config(backend="loky", n_jobs=jobs, **here)
        )
        pool = joblib.Parallel(return_as="generator_unordered", pre_dispatch=f"{2 * jobs}", batch_size=1)
        yield from pool(joblib.delayed(score_part)(part, bundle, out) for part in parts)


def _client(stack: contextlib.ExitStack, scheduler: str) -> int:
    """Connect to a Dask scheduler and return how many tasks it does at a time."""
    try:
        from distributed import Client
    except ImportError as error:
        raise StageLensError('Dask is not installed: pip install "stagelens[cluster]".') from error
    try:
        client = stack.enter_context(Client(scheduler, timeout=20))
    except (OSError, ValueError) as error:
        raise StageLensError(f"there is no Dask scheduler at {scheduler}: start one with dask scheduler.") from error
    threads = sum(client.nthreads().values())
    if not threads:
        raise StageLensError(f"the scheduler at {scheduler} has no workers: start some with dask worker {scheduler}.")
    return int(threads)


def _lost() -> tuple[type[BaseException], ...]:
    """Return what is raised where a worker process died."""
    from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

    return (BrokenProcessPool, TerminatedWorkerError)


def _parts(folder: Path, request: dict[str, Any], errors: list[Unopened]) -> Iterator[Part]:
    """Divide an archive into parts, in the order of its files."""
    key = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()
    scans: list[tuple[str, tuple[str, ...]]] = []
    weight, found = 0, hashlib.sha256(key)
    for one in each_scan(folder, errors):
        scans.append((one.name, tuple(map(str, one.paths))))
        weight += _weight(one, found)
        if weight >= PICTURES:
            yield Part(found.hexdigest()[:24], tuple(scans))
            scans, weight, found = [], 0, hashlib.sha256(key)
    if scans:
        yield Part(found.hexdigest()[:24], tuple(scans))


def _weight(one: Found, found: "hashlib._Hash") -> int:
    """Add a scan's files to a part's hash, and return how many pictures it counts for."""
    size = 0
    for path in one.paths:
        with contextlib.suppress(OSError):
            state = path.stat()
            size += state.st_size
            known = f"{one.name}\0{state.st_size} {state.st_mtime_ns}\n"
            found.update(known.encode("utf-8", "surrogateescape"))
    return VOLUME_WEIGHT if size > LARGE or len(one.paths) > 2 else 1


def _claim(out: Path, request: dict[str, Any]) -> None:
    """Note what a folder of results is made with, or see that it is the same."""
    known = read_json(out / REQUEST_FILE)
    if known is None:
        if out.exists() and (not out.is_dir() or any(one.name != LOCK_FILE for one in out.iterdir())):
            raise StageLensError(f"{out} holds something else; give a new folder.")
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / REQUEST_FILE, request)
    elif known != request:
        differing = sorted(name for name in request if not isinstance(known, dict) or known.get(name) != request[name])
        raise StageLensError(f"{out} was made with another {' and '.join(differing)}; give a new folder.")


def _forget(out: Path, kept: set[str]) -> None:
    """Take out the parts of scans that are gone or were changed."""
    for table in TABLES:
        for file in (out / table).glob("part-*.parquet"):
            if file.stem.removeprefix("part-") not in {*kept, UNOPENED}:
                file.unlink(missing_ok=True)
