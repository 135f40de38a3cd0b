"""NIfTI-1, NIfTI-2 and Analyze 7.5: headers are checked before any voxel is touched, voxels read as they are stored.

NIfTI-1.1: nifti.nimh.nih.gov; NIfTI-2: the same with 64-bit sizes; Analyze 7.5: Mayo Clinic's `dbh.h`, whose `orient`
byte is all it says about left and right. nibabel parses the headers but trusts them, so the checks are ours.
"""

import io
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from core.errors import ScanError
from core.scans.headers.pairs import header_and_data
from core.scans.raster import generated_name, luma_of
from core.scans.scan import Scan
from core.scans.volume import CHANNELS, EQUAL_CHANNELS, chosen_volume, in_mm, is_regular, scan_from_volume, series_shape

HEADER_1, HEADER_2 = 348, 540
FIRST_VOXEL_1, FIRST_VOXEL_2 = 352, 544  # the earliest byte in a single file
SINGLE_FILE, PAIR = (b"n+1\0", b"n+2\0"), (b"ni1\0", b"ni2\0")
MAX_EXTENSION = 16 * 1024 * 1024  # bytes between header and voxels
READABLE = {
    2: "8-bit",
    4: "16-bit",
    8: "32-bit",
    16: "32-bit float",
    64: "64-bit float",
    256: "8-bit signed",
    512: "16-bit unsigned",
    768: "32-bit unsigned",
    1024: "64-bit",
    1280: "64-bit unsigned",
    128: "8-bit colour",
    2304: "8-bit colour",
}
COLOUR_BYTES = {128: 3, 2304: 4}  # red, green, blue, and transparency, which says nothing of a scan
UNITS = {1: (1000.0, "metres"), 3: (0.001, "microns")}  # the lowest three bits of `xyzt_units`; 2 is mm
UNREADABLE = {
    1: "single bits",
    32: "complex numbers",
    1536: "128-bit floats",
    1792: "complex numbers",
    2048: "complex numbers",
}
# Directions of index i, j and k by Analyze's `orient` byte (`dbh.h`: 0 transverse, 1 coronal, 2 sagittal; + 3 flipped).
ANALYZE_AXES = {0: "LAS", 1: "LSA", 2: "ASL", 3: "LPS", 4: "LIA", 5: "AIL"}
ANALYZE_SIDES = (
    "Analyze files do not say which side is left; the patient's right is assumed to come first, as the format's "
    "authors defined it. Check the side before you rely on it."
)


def is_single_file(data: bytes) -> bool:
    """Tell whether these first bytes are a NIfTI header followed by its voxels."""
    return data[344:348] in SINGLE_FILE or data[4:8] in SINGLE_FILE


def is_pair_header(data: bytes) -> bool:
    """Tell whether these bytes are the header of a NIfTI or Analyze pair."""
    if data[344:348] in PAIR or data[4:8] in PAIR:
        return True
    size = data[:4] in (b"\x5c\x01\x00\x00", b"\x00\x00\x01\x5c")
    return size and len(data) >= HEADER_1 and len(data) < 4 * HEADER_1 and not is_single_file(data)


def bytes_needed(head: bytes) -> int:
    """Return how many bytes a NIfTI file (uncompressed) must have, from its first 540.

    Raises:
        ScanError: The header is damaged, or claims a size that no scan has.
    """
    header = _header(head)
    shape, dtype = _shape(header), _dtype(header)
    return _offset(header) + _n_values(shape) * dtype.itemsize


def read_single_file(data: bytes, volume: int | None) -> Scan:
    """Read a .nii file.

    Args:
        data: The file, uncompressed.
        volume: Which volume of a 4-D series, counted from 1.

    Raises:
        ChoiceNeeded: It is a 4-D series and no volume was chosen.
        ScanError: It is damaged, incomplete, too large, or does not hold real numbers.
    """
    header = _header(data)
    return _read(header, memoryview(data)[_offset(header) :], volume, [data])


def read_pair(files: Mapping[str, bytes], volume: int | None) -> Scan:
    """Read a header and the image that belongs to it.

    Args:
        files: The two files by name; the names play no part.
        volume: Which volume of a 4-D series, counted from 1.

    Raises:
        ChoiceNeeded: It is a 4-D series and no volume was chosen.
        ScanError: One of the two is missing, or they do not belong together.
    """
    head, image = header_and_data(files, is_pair_header, ".hdr", ".img")
    header = _header(head)
    return _read(header, memoryview(image)[_offset(header) :], volume, [head, image])


def _header(data: bytes) -> Any:
    kind: Any
    if data[4:8] in SINGLE_FILE + PAIR:
        kind, size = nibabel.Nifti2Header, HEADER_2
    elif data[344:348] in SINGLE_FILE + PAIR:
        kind, size = nibabel.Nifti1Header, HEADER_1
    else:
        kind, size = nibabel.Spm99AnalyzeHeader, HEADER_1
    if len(data) < size:
        raise ScanError("the header is incomplete: please export or copy the file again.")
    try:
        return kind.from_fileobj(io.BytesIO(data[:size]), check=False)
    except (HeaderDataError, ValueError) as error:
        raise ScanError("the header is damaged: please export or copy the file again.") from error


def _shape(header: Any) -> tuple[int, ...]:
    dimensions = [int(size) for size in header["dim"]]
    count = dimensions[0]
    if not 1 <= count <= 7:
        raise ScanError("the header states an impossible number of dimensions; 3 make a volume.")
    shape = tuple(dimensions[1 : count + 1])
    if len(shape) == 5 and shape[3] == 1:  # a vector a voxel
        shape = (*shape[:3], shape[4])
    return series_shape((*shape, 1) if len(shape) == 2 else shape)


def _dtype(header: Any) -> np.dtype:
    code = int(header["datatype"])
    if code not in READABLE:
        kind = UNREADABLE.get(code, f"values of unknown type {code}")
        raise ScanError(f"the volume holds {kind}; only real numbers are read.")
    if code in COLOUR_BYTES:
        return np.dtype((np.uint8, (COLOUR_BYTES[code],)))
    dtype: np.dtype = header.get_data_dtype()
    return dtype


def _offset(header: Any) -> int:
    if isinstance(header, nibabel.Spm99AnalyzeHeader) and not isinstance(header, nibabel.Nifti1Header):
        return 0
    given = float(header["vox_offset"])
    if not np.isfinite(given) or given < 0:
        raise ScanError(f"the header is damaged: it says that the voxels begin at byte {given}.")
    is_single = bytes(header["magic"].tobytes())[:3] in (b"n+1", b"n+2")
    least = FIRST_VOXEL_2 if isinstance(header, nibabel.Nifti2Header) else FIRST_VOXEL_1
    offset = max(int(given), least if is_single else 0)
    if offset > MAX_EXTENSION:
        stated, most = f"{offset / 2**20:.0f} MB", f"{MAX_EXTENSION // 2**20} MB"
        raise ScanError(f"the header states {stated} of extensions before the first voxel; at most {most} are read.")
    return offset


def _read(header: Any, stored: memoryview, volume: int | None, parts: list[bytes]) -> Scan:
    shape, dtype = _shape(header), _dtype(header)
    name_of_format = _format_name(header)
    size, needed = (_n_values(one) * dtype.itemsize for one in (shape[:3], shape))
    if len(stored) < needed:
        raise ScanError(
            f"the file is incomplete ({len(stored):,} of {needed:,} bytes of voxels): please export or copy it again."
        )
    notes: list[str] = []
    channels = volume is None and len(shape) == 4 and shape[3] == CHANNELS
    if channels and all(stored[:size] == stored[at * size : (at + 1) * size] for at in range(1, CHANNELS)):
        volume = 1
        notes.append(EQUAL_CHANNELS)
    chosen = chosen_volume(shape, volume)
    values = _values(stored[(chosen - 1) * size : chosen * size], dtype, shape[:3], notes)
    scaled = _scaled(values, header, notes)
    affine = _affine(header, shape[:3], notes)
    with ThreadPoolExecutor(1) as background:  # hashing takes a fifth of the time and is independent of the rest
        name = background.submit(generated_name, *parts, *([str(chosen).encode()] if len(shape) == 4 else []))
        source = f"{name_of_format}, {READABLE[int(header['datatype'])]}"
        scan = scan_from_volume(scaled, affine, name="", source=source, warnings=tuple(notes))
        return replace(scan, name=name.result())


def _values(stored: memoryview, dtype: np.dtype, shape: tuple[int, ...], notes: list[str]) -> NDArray[np.generic]:
    """Return one volume as it is stored, or the grey of one in colour."""
    if dtype.subdtype is None:
        return np.frombuffer(stored, dtype).reshape(shape, order="F")
    colours = np.frombuffer(stored, np.uint8).reshape((*dtype.shape, *shape), order="F")
    return luma_of(colours, 255.0, notes)


def _scaled(values: NDArray[np.generic], header: Any, notes: list[str]) -> NDArray[np.generic]:
    if isinstance(header, nibabel.Nifti1Header):
        slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    else:
        slope, intercept = float(header["scl_slope"]), 0.0
    if not np.isfinite(slope) or not np.isfinite(intercept):
        notes.append("The file's scale of values is not a number; the stored values are used unscaled.")
        return values
    if slope == 0 or (slope, intercept) == (1.0, 0.0):
        return values
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows counts as missing, with a warning
        scaled: NDArray[np.float32] = values.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    return scaled


def _affine(header: Any, shape: tuple[int, ...], notes: list[str]) -> NDArray[np.float64]:
    if not isinstance(header, nibabel.Nifti1Header):
        notes.append(ANALYZE_SIDES)
        return _analyze_affine(header, shape, notes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            affine = np.asarray(header.get_best_affine(), np.float64)
            if not is_regular(affine) and int(header["qform_code"]) > 0:
                affine = np.asarray(header.get_qform(), np.float64)
                notes.append("The file's sform is not usable; its qform is used.")
        except (HeaderDataError, ValueError):
            affine = np.zeros((4, 4))
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        notes.append("The file does not say how the head lies in it; nibabel's default is used. Check left and right.")
    if is_regular(affine):
        notes.extend(_disagreement(header, affine))
        return in_mm(affine, *UNITS.get(int(header["xyzt_units"]) & 7, (1.0, "mm")), notes)
    notes.append("The file's position matrix is not usable; the axes are used as stored. Check left and right.")
    return _centred("RAS", _spacing(header, notes), shape)


def _disagreement(header: Any, affine: NDArray[np.float64]) -> list[str]:
    """Say where a file's two position matrices turn the head differently; the first of them, the sform, is used."""
    if min(int(header["sform_code"]), int(header["qform_code"])) == 0:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            other = np.asarray(header.get_qform(), np.float64)
        except (HeaderDataError, ValueError):
            return []
    if not is_regular(other):
        return []
    ours, theirs = ("".join(nibabel.aff2axcodes(matrix)) for matrix in (affine, other))
    if ours == theirs:
        return []
    what = "which side is left" if set(ours) ^ set(theirs) == {"L", "R"} else f"how the head lies ({ours}, {theirs})"
    return [f"The file's two position matrices disagree on {what}; its sform is used. Check left and right."]


def _analyze_affine(header: Any, shape: tuple[int, ...], notes: list[str]) -> NDArray[np.float64]:
    orient = bytes(header["orient"].tobytes())[0]
    return _centred(ANALYZE_AXES.get(orient, "LAS"), _spacing(header, notes), shape)


def _spacing(header: Any, notes: list[str]) -> NDArray[np.float64]:
    spacing = np.abs(np.asarray(header["pixdim"][1:4], np.float64))
    if np.isfinite(spacing).all() and (spacing > 0).all():
        return spacing
    notes.append("The file does not say how large its voxels are; 1 mm is assumed.")
    return np.where(np.isfinite(spacing) & (spacing > 0), spacing, 1.0)


def _centred(axes: str, spacing: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the affine of a volume whose axes run in these directions and whose centre lies at the origin."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, (letter, step) in enumerate(zip(axes, spacing, strict=True)):
        row = next(row for row, pair in enumerate(("RL", "AP", "SI")) if letter in pair)
        affine[row, column] = step if letter in "RAS" else -step
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def _format_name(header: Any) -> str:
    if isinstance(header, nibabel.Nifti2Header):
        return "NIfTI-2"
    return "NIfTI-1" if isinstance(header, nibabel.Nifti1Header) else "Analyze 7.5"


def _n_values(shape: tuple[int, ...]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total
