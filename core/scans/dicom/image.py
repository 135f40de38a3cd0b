"""One DICOM object: its pixels and their position in the patient, but nothing about who the patient is.

PS3.3 (attributes), PS3.5 (encoding), PS3.10 (files). Only the tags listed here are parsed. The patient's identity is
hashed at once, to notice when two people's files were mixed, and leaves this module in no other form.
"""

import hashlib
import io
import logging
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pydicom
import xxhash
from numpy.typing import NDArray
from pydicom import config, dcmread

from core.errors import ScanError
from core.scans.dicom.pixel_data import check_transfer_syntax, decode_frames
from core.scans.reader import DAMAGE
from core.scans.volume import check_volume

PREAMBLE = 128
DEFLATED = b"1.2.840.10008.1.2.1.99"
EXPLICIT = b"1.2.840.10008.1.2.1".ljust(len(DEFLATED), b"\0")
MAX_INFLATED = 128 * 1024 * 1024
MAX_FRAMES = 4096
GREY = {"MONOCHROME1", "MONOCHROME2"}
DIRECTORY = "1.2.840.10008.1.3.10"
SERIES_KEYS = ("SeriesInstanceUID", "PatientID", "PatientName", "TemporalPositionIdentifier", "EchoNumbers", "Modality")
TAGS = [
    *("SOPClassUID", "SOPInstanceUID", *SERIES_KEYS, "ImageType", "InstanceNumber", "BurnedInAnnotation"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "PixelRepresentation", "PixelData"),
    *("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"),
    *("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
]
PARSING_ERRORS = (
    *DAMAGE,
    AssertionError,
    pydicom.errors.InvalidDicomError,
    pydicom.errors.BytesLengthException,
)
NOTES = {
    "CT": "A CT scan: the networks here read T1-weighted MRI only.",
    "burnt": "The file says that text is burnt into its picture, which may name the patient.",
    "preamble": "The DICOM file lacks its preamble; it was read anyway.",
    "slope": "The file's rescale slope is 0 or not a number; the stored values are used unscaled.",
}

config.settings.reading_validation_mode = config.IGNORE  # a wrong character set or length is no reason to reject a scan
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)  # its messages quote values, and values may be names


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice as stored.

    Attributes:
        position: The first pixel's centre, in mm, LPS+ (Image Position); None if the file does not give it.
        orientation: 2 × 3, unit vectors in LPS+ along a row and along a column (Image Orientation), or None.
        spacing: mm between rows and between columns, or None.
        slope: Rescale slope for the stored values.
        intercept: Rescale intercept for the stored values.
    """

    position: NDArray[np.float64] | None
    orientation: NDArray[np.float64] | None
    spacing: tuple[float, float] | None
    slope: float
    intercept: float


@dataclass(frozen=True, eq=False)
class DicomObject:
    """What is kept of one file.

    Attributes:
        pixels: Integers, frames × rows × columns, as stored; MONOCHROME1 is inverted within its bits.
        frames: What is known of each frame.
        window: Black and white in rescaled values, if the file gives them.
        modality: "MR", "CT" or similar.
        series: Digest of the series, the person and what else separates images; equal for images that belong together.
        person: Digest of the patient's identity.
        instance: Digest of the object's own identifier.
        number: Instance Number; 0 if absent.
        localizer: Whether the file calls itself a localizer.
        source: Format in words.
        digest: XXH3 of the file.
        notes: Sentences for the person who views it.
    """

    pixels: NDArray[np.generic]
    frames: tuple[Frame, ...]
    window: tuple[float, float] | None
    modality: str | None
    series: bytes
    person: bytes
    instance: bytes
    number: int
    localizer: bool
    source: str
    digest: bytes
    notes: tuple[str, ...] = field(default=())


def is_dicom(data: bytes) -> bool:
    """Tell whether these bytes are a DICOM file, with or without its preamble."""
    return data[PREAMBLE : PREAMBLE + 4] == b"DICM" or _lacks_preamble(data)


def read_object(data: bytes) -> DicomObject:
    """Read one DICOM object.

    Raises:
        ScanError: It is damaged, holds no greyscale image, claims a size that no scan has, or uses a compression that
            is not supported.
    """
    notes = [NOTES["preamble"]] if _lacks_preamble(data) else []
    inflated = _inflated(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(io.BytesIO(inflated), force=True, specific_tags=TAGS)
            return _object(dataset, data, notes)
    except PARSING_ERRORS as error:
        raise ScanError("the DICOM data is damaged or incomplete: please export or copy the file again.") from error


def _lacks_preamble(data: bytes) -> bool:
    """Recognise a data set without a preamble by its first element: group 0002 or 0008, then a length or a type."""
    if len(data) < PREAMBLE or data[PREAMBLE : PREAMBLE + 4] == b"DICM":
        return False
    group, element = struct.unpack_from("<HH", data)
    if group not in {0x0002, 0x0008} or element > 0x1200:
        return False
    explicit = data[4:6] in {b"UL", b"OB", b"UI", b"CS", b"SH", b"LO", b"DA", b"TM", b"SQ"}
    return explicit or struct.unpack_from("<I", data, 4)[0] < 1024


def _inflated(data: bytes) -> bytes:
    """Inflate a deflated data set with a limit, before pydicom would do so without one."""
    offset = data.find(DEFLATED)
    if offset < 0:
        return data
    start = PREAMBLE + 4
    if data[start : start + 8] != b"\x02\0\0\0UL\x04\0":
        raise ScanError("the deflated DICOM data is damaged: its header does not state its length.")
    (length,) = struct.unpack_from("<I", data, start + 8)
    begin = start + 12 + length
    if offset >= begin:
        raise ScanError("the deflated DICOM data is damaged: its header ends too early.")
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = engine.decompress(data[begin:], MAX_INFLATED)
    except zlib.error as error:
        raise ScanError("the deflated DICOM data is damaged.") from error
    if engine.unconsumed_tail:
        raise ScanError(f"the deflated DICOM data grows beyond {MAX_INFLATED // 2**20} MB.")
    head = data[:begin]
    return head[:offset] + EXPLICIT + head[offset + len(DEFLATED) :] + body


def _object(dataset: pydicom.Dataset, data: bytes, notes: list[str]) -> DicomObject:
    uid = str(dataset.file_meta.get("TransferSyntaxUID", "")) if hasattr(dataset, "file_meta") else ""
    uid = uid or ("1.2.840.10008.1.2" if dataset.original_encoding[0] else "1.2.840.10008.1.2.1")
    shape, bits = _checked_shape(dataset)
    check_transfer_syntax(uid)
    signed = int(dataset.get("PixelRepresentation", 0) or 0) == 1
    pixels = decode_frames(dataset["PixelData"].value, uid, shape, bits=bits, signed=signed)
    inverted = str(dataset.PhotometricInterpretation) == "MONOCHROME1"
    if inverted:
        pixels = np.subtract(-1 if signed else (1 << bits[1]) - 1, pixels, dtype=pixels.dtype)
    modality = str(dataset.get("Modality", "")) or None
    if modality == "CT":
        notes.append(NOTES["CT"])
    elif modality not in {"MR", None}:
        notes.append(f"The file's modality is {_plain(modality)}, not MR; the networks here read T1-weighted MRI only.")
    if str(dataset.get("BurnedInAnnotation", "")).upper() == "YES":
        notes.append(NOTES["burnt"])
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence", None) or []
    shared = dataset.get("SharedFunctionalGroupsSequence", None) or []
    frames = tuple(_frame((*per_frame[number : number + 1], *shared[:1]), dataset, notes) for number in range(shape[0]))
    image_type = _raw(dataset, "ImageType").upper()
    return DicomObject(
        pixels=pixels,
        frames=frames,
        window=None if inverted else _window(dataset),
        modality=_plain(modality) if modality else None,
        series=_digest(*(_raw(dataset, key) for key in SERIES_KEYS), image_type, repr(shape[1:]).encode()),
        person=_digest(_raw(dataset, "PatientID"), _raw(dataset, "PatientName")),
        instance=_digest(_raw(dataset, "SOPInstanceUID") or xxhash.xxh3_128_digest(data)),
        number=_whole(dataset.get("InstanceNumber", 0)),
        localizer=b"LOCALIZER" in image_type,
        source=f"DICOM, {bits[1]}-bit",
        digest=xxhash.xxh3_128_digest(data),
        notes=tuple(dict.fromkeys(notes)),
    )


def _checked_shape(dataset: pydicom.Dataset) -> tuple[tuple[int, int, int], tuple[int, int]]:
    """Return frames, rows and columns, and bits allocated and stored, of an image that can be a scan."""
    if "PixelData" not in dataset:
        if str(dataset.get("SOPClassUID", "")) == DIRECTORY or _is_directory(dataset):
            raise ScanError("this is a DICOMDIR, a disc's table of contents; give the image files themselves.")
        modality = str(dataset.get("Modality", ""))
        kind = f"its modality is {_plain(modality)}" if modality else "it may be a report"
        raise ScanError(f"this DICOM file contains no image ({kind}); give the image files.")
    frames = int(dataset.get("NumberOfFrames", None) or 1)
    rows, columns = int(dataset.get("Rows", 0) or 0), int(dataset.get("Columns", 0) or 0)
    if not 1 <= frames <= MAX_FRAMES:
        raise ScanError(f"the DICOM image claims to have {frames} frames; 1 to {MAX_FRAMES:,} are read.")
    if rows > 0 and columns > 0:
        check_volume((frames, rows, columns))
    if min(rows, columns) < 16:
        raise ScanError(f"the DICOM image has {rows} × {columns} pixels; each side must have at least 16.")
    kind = str(dataset.get("PhotometricInterpretation", ""))
    if int(dataset.get("SamplesPerPixel", 1) or 1) != 1 or kind not in GREY:
        raise ScanError(f"the DICOM image is stored as {_plain(kind or 'unknown')}; only greyscale images are read.")
    allocated = int(dataset.get("BitsAllocated", 0) or 0)
    stored = int(dataset.get("BitsStored", allocated) or allocated)
    if allocated not in {8, 16, 32} or not 1 <= stored <= allocated:
        raise ScanError(f"the DICOM image stores {stored} of {allocated} bits; only 8, 16 or 32 are read.")
    return (frames, rows, columns), (allocated, stored)


def _is_directory(dataset: pydicom.Dataset) -> bool:
    meta = getattr(dataset, "file_meta", None)
    return meta is not None and str(meta.get("MediaStorageSOPClassUID", "")) == DIRECTORY


def _frame(groups: Sequence[pydicom.Dataset], dataset: pydicom.Dataset, notes: list[str]) -> Frame:
    """Gather what is known of one frame: from its own functional groups, from the shared ones, then from the object."""
    given = _of_frame(groups, dataset, "RescaleSlope")
    slope, intercept = _number(given), _number(_of_frame(groups, dataset, "RescaleIntercept"))
    if slope == 0 or (slope is None and given not in {None, ""}):
        notes.append(NOTES["slope"])
        slope = intercept = None
    orientation = _vector(_of_frame(groups, dataset, "ImageOrientationPatient"), 6)
    spacing = _vector(_of_frame(groups, dataset, "PixelSpacing"), 2)
    return Frame(
        position=_vector(_of_frame(groups, dataset, "ImagePositionPatient"), 3),
        orientation=_unit(orientation),
        spacing=(float(spacing[0]), float(spacing[1])) if spacing is not None and (spacing > 0).all() else None,
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
    )


# Where enhanced objects keep what plain ones have at the top level (PS3.3, C.7.6.16).
GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
}


def _of_frame(groups: Sequence[pydicom.Dataset], dataset: pydicom.Dataset, keyword: str) -> Any:
    for group in groups:
        for item in (group.get(GROUPS[keyword], None) or [])[:1]:
            if keyword in item:
                return item.get(keyword)
    return dataset.get(keyword, None)


def _window(dataset: pydicom.Dataset) -> tuple[float, float] | None:
    """Return black and white of the file's first window (PS3.3, C.11.2.1.2)."""
    centre, width = (_first(dataset.get(key, None)) for key in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or width <= 1:
        return None
    return centre - width / 2, centre + width / 2


def _first(value: Any) -> float | None:
    several = isinstance(value, (list, tuple, pydicom.multival.MultiValue))
    return _number(value[0] if several and len(value) else value)


def _vector(value: Any, length: int) -> NDArray[np.float64] | None:
    if value is None or isinstance(value, str) or not hasattr(value, "__len__") or len(value) != length:
        return None
    numbers = np.array([float(part) for part in value])
    return numbers if np.isfinite(numbers).all() else None


def _unit(cosines: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Return the row and column direction if they are two unit vectors at right angles."""
    if cosines is None:
        return None
    pair = cosines.reshape(2, 3)
    if np.abs(pair @ pair.T - np.eye(2)).max() > 0.01:
        return None
    return pair


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _whole(value: Any) -> int:
    number = _number(value)
    return int(number) if number is not None else 0


def _raw(dataset: pydicom.Dataset, keyword: str) -> bytes:
    """Return a value as it is stored: enough for comparing, and never decoded into text."""
    element = dataset.get_item(keyword)
    value = None if element is None else element.value
    return value.strip(b"\0 ") if isinstance(value, bytes) else str(value or "").encode("utf-8", "replace")


def _digest(*values: bytes) -> bytes:
    return hashlib.sha256(b"\0".join(values)).digest()


def _plain(text: str) -> str:
    """Keep a code such as "MR" or "RTSTRUCT"; anything longer or with other characters could be a name."""
    return text if text.isascii() and text.replace("_", "").replace(" ", "").isalnum() and len(text) <= 16 else "other"
