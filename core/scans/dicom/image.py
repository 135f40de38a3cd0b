"""One DICOM object: its pixels and their position in the patient, but nothing about who the patient is.

PS3.3 (attributes), PS3.5 (encoding), PS3.10 (files). Only the tags listed here are parsed. The patient's identity is
hashed at once, to notice when two people's files were mixed, and leaves this module in no other form.
"""

import hashlib
import io
import logging
import re
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pydicom
import xxhash
from numpy.typing import NDArray
from pydicom import config, dcmread

from core.errors import ScanError
from core.scans.contrast.acquisition import Acquisition
from core.scans.dicom.colour import COLOURS, KNOWN, PALETTE, grey_of_colours, grey_of_palette
from core.scans.dicom.header import TAGS as DESCRIBED_BY
from core.scans.dicom.header import (
    Frame,
    acquisition_of,
    first_number,
    frame_of,
    origin_of,
    planes_of,
    whole,
)
from core.scans.dicom.pixel_data import Stored, check_transfer_syntax, decode_frames, decodes_to_rgb
from core.scans.reader import DAMAGE
from core.scans.scan import Origin
from core.scans.volume import check_volume

PREAMBLE = 128
DEFLATED = b"1.2.840.10008.1.2.1.99"
EXPLICIT = b"1.2.840.10008.1.2.1".ljust(len(DEFLATED), b"\0")
MAX_INFLATED = 128 * 1024 * 1024
MAX_FRAMES = 4096
DIRECTORY = "1.2.840.10008.1.3.10"
# Storage classes without pixels (PS3.4, B.5): reports, radiotherapy, presentation states, waveforms, documents, raw
# data; and the modalities of such objects.
NO_IMAGES = tuple(
    f"1.2.840.10008.5.1.4.1.1.{kind}" for kind in ("88.", "481.3", "481.4", "481.5", "481.8", "11.", "9.", "104.", "66")
)
NO_PIXELS = frozenset({"SR", "PR", "KO", "DOC", "ECG", "REG", "RTSTRUCT", "RTPLAN", "RTRECORD", "PLAN", "FID", "SEG"})
SERIES_KEYS = ("SeriesInstanceUID", "PatientID", "PatientName", "TemporalPositionIdentifier", "EchoNumbers", "Modality")
BELONGING = [
    *SERIES_KEYS,
    *("SOPClassUID", "ImageType", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows"),
    "DirectoryRecordSequence",
]
ORIGIN_KEYS = ("PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID")
PALETTES = tuple(f"{name}PaletteColorLookupTable{what}" for name in ("Red", "Green", "Blue")
                 for what in ("Descriptor", "Data"))  # fmt: skip
# How many slices lie in a mosaic: the tag, and whose private block it must be in.
MOSAIC_TAGS = {0x0019100A: (0x00190010, "SIEMENS"), 0x00651050: (0x00650010, "IMAGE PRIVATE HEADER")}
TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", *SERIES_KEYS, "InstanceNumber", "BurnedInAnnotation"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PlanarConfiguration", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "PixelRepresentation", "PixelData", *PALETTES),
    *("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"),
    *("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *DESCRIBED_BY,
    *MOSAIC_TAGS,
    *(creator for creator, _ in MOSAIC_TAGS.values()),
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
}
# The modalities that DICOM defines (PS3.3, C.7.3.1.1.1), and how pixels may be stored (C.7.6.3.1.2).
CODES = re.compile(
    r"AR|ASMT|AU|BDUS|BI|BMD|CR|CT|DG|DOC|DX|ECG|EPS|ES|FID|GM|HC|HD|IO|IOL|IVOCT|IVUS|KER|KO|LEN|LS|M3D|MG|MR|NM|OAM|OCT|"
    r"OP|OPM|OPT|OPTBSV|OPTENF|OPV|OSS|OT|PA|PLAN|PR|PT|PX|REG|RESP|RF|RG|RTDOSE|RTIMAGE|RTINTENT|RTPLAN|RTRAD|RTRECORD|"
    r"RTSEGANN|RTSTRUCT|RWV|SC|SEG|SM|SMR|SR|SRF|TG|US|VA|XA|XC|MONOCHROME[12]|RGB|HSV|ARGB|CMYK|PALETTE COLOR|"
    r"YBR_(FULL|FULL_422|PARTIAL_422|PARTIAL_420|ICT|RCT)|unknown"
)
MOSAIC = (
    "this is a mosaic, many slices of a functional or diffusion series side by side in one picture, and no structural "
    "head; give the T1 series."
)

config.settings.reading_validation_mode = config.IGNORE  # a wrong character set or length is no reason to reject a scan
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)  # its messages quote values, and values may be names


@dataclass(frozen=True, eq=False)
class DicomObject:
    """What is kept of one file.

    Attributes:
        pixels: Frames × rows × columns, integers as stored; MONOCHROME1 is inverted within its bits, colour is grey.
        frames: What is known of each frame.
        window: Black and white in rescaled values, if the file gives them.
        modality: "MR", "CT" or similar.
        acquisitions: How each of its stacks was made.
        origin: Which person, study and series it is of, as digests.
        series: Digest of the series, the person and what else separates images; equal for images that belong together.
        instance: Digest of the object's own identifier.
        number: Instance Number; 0 if absent.
        localizer: Whether the file calls itself a localizer.
        source: Format in words.
        digest: XXH3 of the file.
        notes: Sentences for the person who views it.
        place: The folder the file lies in.
    """

    pixels: NDArray[np.generic]
    frames: tuple[Frame, ...]
    window: tuple[float, float] | None
    modality: str | None
    acquisitions: tuple[Acquisition, ...]
    origin: Origin
    series: bytes
    instance: bytes
    number: int
    localizer: bool
    source: str
    digest: bytes
    notes: tuple[str, ...] = field(default=())
    place: str = ""

    @property
    def acquisition(self) -> Acquisition:
        """How its first stack was made."""
        return self.acquisitions[0]

    def stacks(self) -> list["DicomObject"]:
        """Return an object for each stack of frames: of one plane, moment, echo and kind, as enhanced objects mix."""
        if len(self.acquisitions) == 1:
            return [self]
        found = []
        for number, own in enumerate(_stacks(self.frames)):
            digest = xxhash.xxh3_128_digest(self.digest + str(number).encode())
            frames, made = tuple(self.frames[index] for index in own), (self.acquisitions[number],)
            found.append(replace(self, pixels=self.pixels[own], frames=frames, acquisitions=made, digest=digest))
        return found


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


@dataclass(frozen=True)
class Belongs:
    """What a file's header says of the series it belongs to.

    Attributes:
        series: Digest of it.
        identified: Whether the file names its series; else it is told by the folder.
        along: Where the image lies along the normal of its plane, in mm; None if unknown.
        is_image: Whether there are pixels; a table of contents or a report has none.
    """

    series: bytes
    identified: bool
    along: float | None
    is_image: bool


def series_of(path: Path) -> Belongs | None:
    """Return which series a file on disk belongs to, without reading its pixels; None if that cannot be told."""
    try:
        with path.open("rb") as stream:
            if DEFLATED in stream.read(4096):  # it would be inflated whole, and without a limit
                return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(path, force=True, stop_before_pixels=True, specific_tags=BELONGING)
            return Belongs(
                series=_digest(*(_raw(dataset, key) for key in (*SERIES_KEYS, "ImageType"))),
                identified=bool(_raw(dataset, "SeriesInstanceUID")),
                along=frame_of((), dataset, []).along,
                is_image="Rows" in dataset or not _is_of_other_kind(dataset),
            )
    except PARSING_ERRORS:
        return None


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
    stored = _checked(dataset)
    check_transfer_syntax(uid)
    pixels = decode_frames(dataset["PixelData"].value, uid, stored)
    kind = stored.photometric
    if kind == "MONOCHROME1":
        pixels = np.subtract(-1 if stored.signed else (1 << stored.bits) - 1, pixels, dtype=pixels.dtype)
    elif kind == PALETTE:
        pixels = grey_of_palette(pixels, dataset, notes)
    elif kind in COLOURS:
        pixels = grey_of_colours(pixels, kind, notes, decoded=decodes_to_rgb(uid))
    modality = str(dataset.get("Modality", "")) or None
    if modality == "CT":
        notes.append(NOTES["CT"])
    elif modality not in {"MR", None}:
        notes.append(f"The file's modality is {_plain(modality)}, not MR; the networks here read T1-weighted MRI only.")
    if str(dataset.get("BurnedInAnnotation", "")).upper() == "YES":
        notes.append(NOTES["burnt"])
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence", None) or []
    shared = dataset.get("SharedFunctionalGroupsSequence", None) or []
    groups = [(*per_frame[number : number + 1], *shared[:1]) for number in range(stored.shape[0])]
    frames = tuple(frame_of(group, dataset, notes) for group in groups)
    image_type = _raw(dataset, "ImageType").upper()
    window = _window(dataset) if kind == "MONOCHROME2" else (None if kind == "MONOCHROME1" else (0.0, 255.0))
    return DicomObject(
        pixels=pixels,
        frames=frames,
        window=window if kind not in COLOURS or stored.bits == 8 else None,
        modality=_plain(modality) if modality else None,
        acquisitions=tuple(acquisition_of(groups[own[0]], dataset) for own in _stacks(frames)),
        origin=origin_of(*(_raw(dataset, key) for key in ORIGIN_KEYS)),
        series=_digest(*(_raw(dataset, key) for key in SERIES_KEYS), image_type, repr(stored.shape[1:3]).encode()),
        instance=_digest(_raw(dataset, "SOPInstanceUID") or xxhash.xxh3_128_digest(data)),
        number=whole(dataset.get("InstanceNumber", 0)),
        localizer=b"LOCALIZER" in image_type,
        source=f"DICOM, {stored.bits}-bit{'' if kind not in COLOURS else ' colour'}",
        digest=xxhash.xxh3_128_digest(data),
        notes=tuple(dict.fromkeys(notes)),
    )


def _stacks(frames: Sequence[Frame]) -> list[list[int]]:
    """Return the indices of the frames of each stack, in the order of their first ones."""
    found: dict[object, list[int]] = {}
    planes = planes_of([frame.orientation for frame in frames])
    for index, frame in enumerate(frames):
        found.setdefault((planes[index], frame.apart), []).append(index)
    return list(found.values())


def _checked(dataset: pydicom.Dataset) -> Stored:
    """Return how the pixels of an image that can be a scan are stored."""
    if "PixelData" not in dataset:
        if _is_directory(dataset):
            raise ScanError("this is a DICOMDIR, a disc's table of contents; give the image files themselves.")
        modality = str(dataset.get("Modality", ""))
        kind = f"its modality is {_plain(modality)}" if modality else "it may be a report"
        raise ScanError(f"this DICOM file contains no image ({kind}); give the image files.")
    if _is_mosaic(dataset) or acquisition_of((), dataset).tiled:
        raise ScanError(MOSAIC)
    frames = int(dataset.get("NumberOfFrames", None) or 1)
    rows, columns = int(dataset.get("Rows", 0) or 0), int(dataset.get("Columns", 0) or 0)
    samples = int(dataset.get("SamplesPerPixel", 1) or 1)
    if not 1 <= frames <= MAX_FRAMES:
        raise ScanError(f"the DICOM image claims to have {frames} frames; 1 to {MAX_FRAMES:,} are read.")
    if rows > 0 and columns > 0:
        check_volume((frames, rows, columns))
    if min(rows, columns) < 16:
        raise ScanError(f"the DICOM image has {rows} × {columns} pixels; each side must have at least 16.")
    kind = str(dataset.get("PhotometricInterpretation", ""))
    if kind not in KNOWN or samples != (3 if kind in COLOURS else 1):
        raise ScanError(
            f"the DICOM image is stored as {_plain(kind or 'unknown')} with {samples} values a pixel; greyscale, RGB, "
            "YBR and palettes are read."
        )
    allocated = int(dataset.get("BitsAllocated", 0) or 0)
    bits = int(dataset.get("BitsStored", allocated) or allocated)
    if allocated not in {8, 16, 32} or not 1 <= bits <= allocated or (samples == 3 and allocated == 32):
        raise ScanError(f"the DICOM image stores {bits} of {allocated} bits; only 8, 16 or 32 are read.")
    return Stored(
        shape=(frames, rows, columns),
        allocated=allocated,
        bits=bits,
        signed=int(dataset.get("PixelRepresentation", 0) or 0) == 1 and samples == 1,
        photometric=kind,
        by_plane=int(dataset.get("PlanarConfiguration", 0) or 0) == 1,
    )


def _is_of_other_kind(dataset: pydicom.Dataset) -> bool:
    """Tell whether an object says that it is none of pixels: a table of contents, a report, a plan, a waveform.

    One that says neither is damaged.
    """
    kind, modality = str(dataset.get("SOPClassUID", "")), str(dataset.get("Modality", ""))
    return _is_directory(dataset) or kind.startswith(NO_IMAGES) or modality in NO_PIXELS


def _is_mosaic(dataset: pydicom.Dataset) -> bool:
    """Tell whether a vendor's own tag counts several slices in one picture; of another vendor it is another thing."""
    for tag, (creator, name) in MOSAIC_TAGS.items():
        if tag in dataset and creator in dataset and str(dataset[creator].value).upper().startswith(name):
            value = dataset[tag].value
            stored = int.from_bytes(value[:2], "little") if isinstance(value, bytes) else first_number(value)
            if stored is not None and stored > 1:
                return True
    return False


def _is_directory(dataset: pydicom.Dataset) -> bool:
    """Tell whether an object is a DICOMDIR, by its class, its file's class, or its records."""
    meta = getattr(dataset, "file_meta", None) or {}
    classes = (dataset.get("SOPClassUID", ""), meta.get("MediaStorageSOPClassUID", ""))
    return DIRECTORY in map(str, classes) or "DirectoryRecordSequence" in dataset


def _window(dataset: pydicom.Dataset) -> tuple[float, float] | None:
    """Return black and white of the file's first window (PS3.3, C.11.2.1.2)."""
    centre, width = (first_number(dataset.get(key, None)) for key in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or width <= 1:
        return None
    return centre - width / 2, centre + width / 2


def _raw(dataset: pydicom.Dataset, keyword: str) -> bytes:
    """Return a value as it is stored: enough for comparing, and never decoded into text."""
    element = dataset.get_item(keyword)
    value = None if element is None else element.value
    return value.strip(b"\0 ") if isinstance(value, bytes) else str(value or "").encode("utf-8", "replace")


def _digest(*values: bytes) -> bytes:
    return hashlib.sha256(b"\0".join(values)).digest()


def _plain(text: str) -> str:
    """Keep a code that DICOM defines (PS3.3, C.7.3.1.1.1 and C.7.6.3.1.2); anything else could be a name."""
    return text if CODES.fullmatch(text) else "of another kind"
