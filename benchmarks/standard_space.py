"""How accurately moved heads are registered, how long it takes, and the intensities of the training slices.

    python benchmarks/standard_space.py [--cases 20] [--sizes] [--contrasts 3] [--intensities FOLDER]

Each case is the ICBM head rotated by up to 20 degrees about any axis, shifted by up to 30 mm, scaled by up to 15 %,
with noise and a bias field, as the brain alone and with a simulated skull, scalp, face and neck. The error is the
median over the brain of the distance between the estimated and the true position of a point. --intensities prints the
percentiles that `core.scans.registration.standard_space` matches, measured on volumes made by `stagelens volumes`.

--sizes registers T1 heads of 0.80 to 1.15 times the template's size, with and without scalp, and small heads with a
bright scalp. --contrasts makes T1, T2, FLAIR, PD and contrast-enhanced heads of the template's tissue maps and prints
how bright white matter and fluid are over grey matter after registration, and the margin between T1 and the others.
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
from core.scans.registration.tissues import tissues_of
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


def scan_of(seen: heads.Moved) -> Scan:
    """Return a moved head as a scan."""
    return Scan(
        voxels=seen.voxels, window=(0.0, 1000.0), name="scan-0", source="synthetic", spacing_mm=(1.0, 1.0, 1.0),
        orientation="RAS", modality="MR", affine=seen.affine,
    )  # fmt: skip


def sizes() -> None:
    """Register heads of all sizes; print the error, the verdict and the time of each."""
    made = {
        f"{kind}, {'scalp' if scalp else 'brain alone'}, {scale:.2f}": lambda kind=kind, scalp=scalp, scale=scale: (
            heads.scanned(heads.contrast_head(kind, scalp=scalp), 5, scale=(scale, scale), bias=0.3)
        )
        for kind in ("T1", "T1 of low contrast")
        for scalp in (False, True)
        for scale in (0.80, 0.86, 0.93, 1.0, 1.08, 1.15)
    }
    made |= {f"bright scalp, {scale:.2f}": lambda scale=scale: heads.child(scale) for scale in (0.80, 0.86, 0.93)}
    for name, make in made.items():
        seen, start = make(), time.perf_counter()
        head = to_standard_space(scan_of(seen))
        error = heads.median_error_mm(head.to_scan @ ICBM_TO_TALAIRACH, seen.to_scan)
        quality = head.quality
        print(
            f"{name}: {error:.2f} mm, {quality.verdict}, correlation {quality.similarity:.2f}, "
            f"{time.perf_counter() - start:.0f} s {' '.join(quality.sentences)}",
            flush=True,
        )


def contrasts(count: int) -> None:
    """Register heads of each contrast; print what their tissues look like and how far T1 is from the others."""
    found: dict[str, list[tuple[float, float]]] = {}
    for kind in (one for one in heads.CONTRASTS if one != "CT"):
        for seed in range(count):
            scan = scan_of(heads.scanned(heads.contrast_head(kind, seed=seed), seed, bias=0.3))
            head = to_standard_space(scan)
            tissues = tissues_of(scan.voxels, np.asarray(scan.affine), head.to_scan @ ICBM_TO_TALAIRACH)
            found.setdefault(kind, []).append((tissues.white_over_grey, tissues.fluid_over_grey))
            print(
                f"{kind}, case {seed}: white {tissues.white_over_grey:.2f}, fluid {tissues.fluid_over_grey:.2f} of "
                f"grey, vessels {tissues.vessels:.2%}, {tissues.kind or 'unknown'}, {head.quality.verdict} "
                f"{' '.join(head.scan.warnings)}",
                flush=True,
            )
    t1 = [one for kind, several in found.items() if kind.startswith("T1") for one in several]
    for kind, several in found.items():
        if not kind.startswith("T1"):
            white = min(one[0] for one in t1) - max(one[0] for one in several)
            fluid = min(one[1] for one in several) - max(one[1] for one in t1)
            print(f"margin between T1 and {kind}: white over grey {white:+.2f}, fluid over grey {fluid:+.2f}")


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
    parser.add_argument("--sizes", action="store_true", help="heads of all sizes")
    parser.add_argument("--contrasts", type=int, default=0, help="heads of each contrast")
    parser.add_argument("--intensities", type=Path, help="folder written by `stagelens volumes` from the 176 x 208 set")
    options = parser.parse_args()
    if options.intensities:
        intensities(options.intensities)
        return
    if options.cases:
        cases(options.cases)
    if options.sizes:
        sizes()
    if options.contrasts:
        contrasts(options.contrasts)


if __name__ == "__main__":
    main()
