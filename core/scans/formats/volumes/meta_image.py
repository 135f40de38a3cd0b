"""MetaImage of ITK: `.mha`, or `.mhd` with a file of voxels (itk.org/Wiki/ITK/MetaIO/Documentation)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from core.errors import ScanError
from core.scans.headers.pairs import header_and_data
from core.scans.headers.raw import Raw
from core.scans.headers.stored import Stored, depth_of, scan_of
from core.scans.raster import luma_of
from core.scans.reader import DAMAGE, Reader
from core.scans.scan import Scan
from core.scans.volume import UNITS, in_mm

LONGEST_HEADER = 64 * 1024
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}  # fmt: skip
MATRICES = ("TransformMatrix", "Orientation", "Rotation")
ORIGINS = ("Offset", "Position", "Origin")


def is_meta_image(data: bytes) -> bool:
    """Tell whether these first bytes are a MetaImage header."""
    head = data[:512].lstrip()
    return head.startswith((b"ObjectType", b"NDims")) and b"=" in head[:32]


def read_meta_image(files: Mapping[str, bytes], volume: int | None) -> Scan:
    """Read a .mha, or a .mhd with its voxels; `volume` is counted from 1. Raises ChoiceNeeded and ScanError."""
    header = next(data for data in files.values() if is_meta_image(data))
    values, begins = _header(header)
    try:
        stored, raw = _described(values, begins)
    except (*DAMAGE, ArithmeticError) as error:
        raise ScanError("the MetaImage header is damaged or incomplete: please export the scan again.") from error
    local = values["ElementDataFile"].upper() == "LOCAL"
    data = header if local else header_and_data(files, is_meta_image, ".mhd", values["ElementDataFile"])[1]

    noticed: list[str] = []

    def voxels(number: int) -> np.ndarray:
        found = raw.voxels(data)
        if found.ndim > len(stored.shape):
            white = float(np.iinfo(found.dtype).max) if found.dtype.kind in "ui" else float(found.max())
            found = luma_of(found, white, noticed)
        return found[..., number] if found.ndim == 4 else found

    return scan_of(replace(stored, read=voxels), files, volume).with_warnings(*dict.fromkeys(noticed))


def _header(data: bytes) -> tuple[dict[str, str], int]:
    """Return the keys and values in front of the voxels, and where those begin."""
    values: dict[str, str] = {}
    begins = 0
    for line in data[:LONGEST_HEADER].splitlines(keepends=True):
        begins += len(line)
        key, equals, value = line.decode("latin-1").partition("=")
        if not equals:
            break
        values[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":
            return values, begins
    raise ScanError("the MetaImage header does not say where its voxels are: please export the scan again.")


def _described(values: dict[str, str], begins: int) -> tuple[Stored, Raw]:
    channels = int(values.get("ElementNumberOfChannels", "1"))
    if channels not in {1, 3, 4}:
        raise ScanError(f"the MetaImage holds {channels} numbers a voxel; grey and colour are read: export it in grey.")
    kind = values["ElementType"]
    if kind not in TYPES:
        raise ScanError(f"the MetaImage holds {kind.removeprefix('MET_').lower()}; only real numbers are read.")
    if values["ElementDataFile"].split()[0].upper() == "LIST" or "%" in values["ElementDataFile"]:
        raise ScanError("the MetaImage's voxels lie in several files: write it as one .mha.")
    shape = tuple(int(side) for side in values["DimSize"].split())
    axes = len(shape)
    most = values.get("BinaryDataByteOrderMSB", values.get("ElementByteOrderMSB", "False")).lower() == "true"
    packed = values.get("CompressedData", "False").lower() == "true"
    local = values["ElementDataFile"].upper() == "LOCAL"
    text = values.get("BinaryData", "True").lower() == "false"
    dtype = np.dtype((">" if most else "<") + TYPES[kind])
    spacing = _numbers(values.get("ElementSpacing") or values.get("ElementSize"), np.ones(axes))
    matrix = _numbers(_first(values, MATRICES), np.eye(axes).ravel()).reshape(axes, axes)
    origin = _numbers(_first(values, ORIGINS), np.zeros(axes))
    affine = np.eye(4)
    affine[:3, :3] = (matrix[:3, :3] * spacing[:3, None]).T  # a row is the direction of an axis
    affine[:3, 3] = origin[:3]
    packing = "text" if text else "gzip" if packed else "raw"
    stored = shape if channels == 1 else (channels, *shape)
    raw = Raw(dtype, stored, packing, begins if local else int(values.get("HeaderSize", "0")))
    notes: list[str] = []
    unit = values.get("DistanceUnits", "mm").lower()
    affine = in_mm(LPS @ affine, *UNITS.get(unit, (1.0, "mm")), notes)
    source = f"MetaImage, {depth_of(dtype)}{'' if channels == 1 else ' colour'}"
    return Stored(source, shape, affine, lambda number: np.empty(0), tuple(notes)), raw


def _first(values: dict[str, str], names: tuple[str, ...]) -> str | None:
    return next((values[name] for name in names if name in values), None)


def _numbers(text: str | None, otherwise: np.ndarray) -> np.ndarray:
    return otherwise if text is None else np.array([float(word) for word in text.split()])


def _data_file(stem: str, header: bytes) -> tuple[str, ...]:
    try:
        name = _header(header)[0]["ElementDataFile"]
    except ScanError:
        return ()
    return () if name.upper() == "LOCAL" else (name,)


READER = Reader(
    "MetaImage", 76, is_meta_image, lambda data, volume: read_meta_image({"": data}, volume),
    read_several=read_meta_image, has_pages=True, beside=_data_file,
)  # fmt: skip
