"""Reading scans against plain nibabel and pydicom calls on the same files, in one run.

    python benchmarks/scans.py [--rounds 9]

The head is the ICBM template on a scanner's grid of 190 × 256 × 256 voxels. The plain calls do what a user would write:
load, reorient to RAS+ (nibabel) or sort and stack (pydicom), float32, in memory. nibabel can also memory-map an
uncompressed file and read only voxels that are used; that is printed as well, though an upload has no file to map. Ours
also checks every claim, finds a window, and names the scan by its content. Rounds are interleaved; medians and ratios
are printed.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the head scans come from the tests

from core.scans import read_scan_file
from tests.scans import heads, volumes


def files_in(folder: Path) -> dict[str, Path]:
    """Write the head in every format."""
    head = heads.moved(1, skull=True)
    voxels = head.voxels.astype(np.int16)
    image = nibabel.Nifti1Image(voxels, head.affine)
    nibabel.save(image, folder / "head.nii")
    nibabel.save(image, folder / "head.nii.gz")
    nibabel.save(nibabel.Nifti1Image(head.voxels, head.affine), folder / "float.nii")
    nibabel.save(nibabel.AnalyzeImage(voxels, None), folder / "pair.hdr")
    (folder / "series").mkdir()
    for name, data in volumes.files(volumes.series(voxels, head.affine)).items():
        (folder / "series" / name).write_bytes(data)
    return {
        "NIfTI, 16-bit": folder / "head.nii",
        "NIfTI, 16-bit, gzip": folder / "head.nii.gz",
        "NIfTI, float": folder / "float.nii",
        "Analyze, 16-bit": folder / "pair.hdr",
        "DICOM series": folder / "series",
    }


def with_nibabel(path: Path) -> np.ndarray:
    """Read as in nibabel's documentation."""
    return nibabel.as_closest_canonical(nibabel.load(path, mmap=False)).get_fdata(dtype=np.float32)


def mapped(path: Path) -> np.ndarray:
    """Read with nibabel, memory-mapping the file."""
    return nibabel.as_closest_canonical(nibabel.load(path)).get_fdata(dtype=np.float32)


def with_pydicom(folder: Path) -> np.ndarray:
    """Read as in pydicom's documentation."""
    slices = sorted((pydicom.dcmread(path) for path in folder.iterdir()), key=lambda one: one.ImagePositionPatient[2])
    return np.stack([one.pixel_array for one in slices], axis=-1).astype(np.float32)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        for name, path in files_in(Path(folder)).items():
            read_by: dict[str, Callable[[Path], object]] = {
                "ours": lambda at: read_scan_file(at).voxels,
                "plain": with_pydicom if path.is_dir() else with_nibabel,
            }
            if path.suffix in {".nii", ".hdr"}:
                read_by["mapped"] = mapped
            seconds: dict[str, list[float]] = {reader: [] for reader in read_by}
            for read in read_by.values():
                read(path)  # once, unmeasured
            for _ in range(rounds):
                for reader, read in read_by.items():
                    start = time.perf_counter()
                    read(path)
                    seconds[reader].append(time.perf_counter() - start)
            medians = {reader: 1000 * statistics.median(taken) for reader, taken in seconds.items()}
            line = "   ".join(f"{reader} {taken:5.0f} ms" for reader, taken in medians.items())
            print(f"{name:<20} ratio {medians['ours'] / medians['plain']:.2f}   {line}")


if __name__ == "__main__":
    main()
