"""Scoring an archive, beside the bare forward pass of the same engine in the same run, and what a worker more brings.

    python benchmarks/score.py [FOLDER] [--slices 6400] [--rounds 3]

Without a folder, slices are drawn from the sample scans, moved and of other brightness, as JPEG. Both are interleaved,
medians; scoring includes listing, decoding, the check that a slice is in distribution, and writing the tables.
"""

import argparse
import heapq
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.workflows.score.archive import PICTURES  # noqa: E402

BARE = """
import json, sys, time
import numpy as np
from core.workflows.predict import predictor_of
predictor = predictor_of()
scans = np.random.default_rng(0).uniform(0, 255, (16, *predictor.input_shape)).astype(np.float32)
for _ in range(3):
    predictor.body.run(scans)
begun = time.perf_counter()
for _ in range(60):
    predictor.body.run(scans)
print((time.perf_counter() - begun) / (60 * 16))
"""
SCORE = """
import json, resource, sys, time
from pathlib import Path
from core.networks.bundle import open_bundle
from core.workflows.score.archive import score_archive
begun = time.perf_counter()
found = score_archive(Path(sys.argv[1]), Path(sys.argv[2]), open_bundle(), workers=int(sys.argv[3]))
seconds = time.perf_counter() - begun
own, children = (resource.getrusage(one).ru_maxrss / 1024 for one in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps([found.scans, seconds, own, children]))
"""


def ran(script: str, *words: object) -> str:
    """Run a script and return what it prints last."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()[-1]


def drawn(folder: Path, count: int) -> Path:
    """Write so many slices as JPEG, each another."""
    rng = np.random.default_rng(0)
    pictures = [cv2.imread(str(path), 0) for path in sorted((ROOT / "sample_scans").glob("*.png"))]
    folder.mkdir(parents=True)
    for number in range(count):
        picture = pictures[number % len(pictures)].astype(np.float32)
        noisy = picture * rng.uniform(0.95, 1.03) + rng.normal(0, 2, picture.shape) * (picture > 20)
        cv2.imwrite(str(folder / f"{number:06d}.jpg"), np.uint8(np.clip(noisy, 0, 255)))
    return folder


def some_of(folder: Path, count: int, to: Path) -> Path:
    """Link the first files of a folder into another."""
    to.mkdir()
    for number, path in enumerate(sorted(one for one in folder.rglob("*") if one.is_file())[:count]):
        (to / f"{number:06d}{path.suffix}").symlink_to(path)
    return to


def simulated(scans: int, each: float, begin: float, workers: int, cores: int) -> float:
    """Return how long an archive takes: parts in line, each done by the worker that is free first.

    Args:
        scans: In the archive.
        each: Seconds a scan takes one worker that has a core for itself.
        begin: Seconds until the first part begins: imports, the network.
        workers: How many.
        cores: How many there are for them; more workers share them.
    """
    free = [begin] * workers
    slower = max(1.0, workers / cores)
    for start in range(0, scans, PICTURES):
        heapq.heapreplace(free, free[0] + min(PICTURES, scans - start) * each * slower)
    return max(free)


def compare(scored: dict[tuple[int, str], list[list[float]]], cores: int) -> None:
    """Print what the simulation says, beside what was measured; it is set by one worker's two archives alone."""
    (many, long), (few, short) = ((int(scored[1, name][0][0]), scored[1, name][0][1]) for name in ("all", "fewer"))
    each = (long - short) / max(1, many - few)
    begin = max(0.0, short - few * each)
    print(f"simulation: {1000 * each:.2f} ms a scan and core, {begin:.1f} s to begin")
    for workers in (2, 4):
        found = simulated(many, each, begin, workers, cores)
        print(f"  {workers} workers: {found:.1f} s simulated, {scored[workers, 'all'][0][1]:.1f} s measured")
    for machines in (1, 10, 100):
        hours = simulated(1_000_000, each, begin, 16 * machines, 16 * machines) / 3600
        print(f"  a million pictures on {16 * machines} cores: {hours:.2f} h simulated")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--slices", type=int, default=6400)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="stagelens-score-"))
    given = options.folder.resolve() if options.folder else drawn(place / "drawn", options.slices)
    archive = some_of(given, options.slices, place / "archive")
    fewer = some_of(given, max(1, min(1000, options.slices // 4)), place / "fewer")
    cores = os.cpu_count() or 1
    ran(BARE)  # compiles the network, if nobody did
    bare: list[float] = []
    scored: dict[tuple[int, str], list[list[float]]] = {}
    for number in range(options.rounds):
        bare.append(float(ran(BARE)))
        for workers in dict.fromkeys((cores, *([1, 2, 4] if number == 0 else []))):
            for name, folder in (("all", archive), *([("fewer", fewer)] if workers in (1, cores) else [])):
                out = place / f"out-{number}-{workers}-{name}"
                scored.setdefault((workers, name), []).append(json.loads(ran(SCORE, folder, out, workers)))
                shutil.rmtree(out)
    pass_ms = 1000 * statistics.median(bare)
    print(f"bare pass, batches of 16, all cores: {pass_ms:.2f} ms a slice")
    for (workers, name), found in scored.items():
        count = found[0][0]
        seconds = statistics.median(one[1] for one in found)
        own, children = (statistics.median(one[at] for one in found) for at in (2, 3))
        print(
            f"{workers} workers, {count:,} scans ({name}): {1000 * seconds / count:.2f} ms a scan, "
            f"{pass_ms * count / 1000 / seconds:.2f} of the bare pass's throughput; "
            f"peak {own:.0f} MB, a worker {children:.0f} MB"
        )
    compare(scored, cores)
    shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
