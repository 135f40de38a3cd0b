"""How accurately moved heads are registered, how long it takes, and the intensities of the training slices.

    python benchmarks/standard_space.py [--cases 20] [--intensities FOLDER]

Each case is the ICBM head rotated by up to 20 degrees about any axis, shifted by up to 30 mm, scaled by up to 15 %,
with noise and a bias field, as the brain alone and with a simulated skull, scalp, face and neck. The error is the
median over the brain of the distance between the estimated and the true position of a point. --intensities prints the
percentiles that `core.scans.registration.standard_space` matches, measured on volumes made by `stagelens volumes`.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the head scans come from the tests

from core.scans import Scan, read_scan_file
from core.scans.registration.standard_space import AFFINE, SHAPE, intensities_of, resampled, to_standard_space
from core.scans.registration.template import ICBM_TO_TALAIRACH
from tests.scans import heads

SECONDS, SKULL_MM, BRAIN_MM = 60, 2.0, 0.5


def cases(count: int) -> None:
    """Move heads, register them, print each and a summary."""
    for skull, limit in ((False, BRAIN_MM), (True, SKULL_MM)):
        kind = "with skull and neck" if skull else "brain alone"
        errors, seconds, good = [], [], 0
        for seed in range(count):
            seen = heads.moved(seed, skull=skull)
            scan = Scan(
                voxels=seen.voxels,
                window=(0.0, 1000.0),
                name="scan-0",
                source="synthetic",
                spacing_mm=(1.0, 1.0, 1.0),
                orientation="RAS",
                modality="MR",
                affine=seen.affine,
            )
            start = time.perf_counter()
            head = to_standard_space(scan)
            seconds.append(time.perf_counter() - start)
            errors.append(heads.median_error_mm(head.to_scan @ ICBM_TO_TALAIRACH, seen.to_scan))
            good += head.quality.verdict == "good"
            print(f"{kind}, case {seed}: {errors[-1]:.3f} mm, {seconds[-1]:.1f} s, {head.quality.verdict}", flush=True)
        within = sum(error < limit for error in errors)
        print(
            f"{kind}: {within} of {count} within {limit} mm, worst {max(errors):.3f} mm, {good} with the verdict "
            f"good, median {statistics.median(seconds):.1f} s, at most {max(seconds):.1f} s (target: {SECONDS})"
        )


def intensities(folder: Path) -> None:
    """Print mean and standard deviation of the intensity percentiles of people's volumes."""
    found = []
    for path in sorted(folder.rglob("*.nii.gz")):
        scan = read_scan_file(path)
        found.append(intensities_of(resampled(scan.voxels, np.linalg.inv(scan.affine) @ AFFINE, SHAPE)))
    print("mean  ", tuple(np.round(np.mean(found, axis=0), 1).tolist()))
    print("spread", tuple(np.round(np.std(found, axis=0), 1).tolist()))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--intensities", type=Path, help="folder written by `stagelens volumes` from the 176 x 208 set")
    options = parser.parse_args()
    if options.intensities:
        intensities(options.intensities)
    else:
        cases(options.cases)


if __name__ == "__main__":
    main()
