"""NRRD, with its voxels in the file or beside it (teem.sourceforge.net/nrrd/format.html)."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from core.errors import ScanError
from core.scans.headers.pairs import header_and_data
from core.scans.headers.raw import Raw
from core.scans.headers.stored import Stored, depth_of, scan_of
from core.scans.reader import DAMAGE, Reader
from core.scans.scan import Scan
from core.scans.volume import UNITS, in_mm

LONGEST_HEADER = 1024 * 1024
TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "long long int", "int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "u8"),
    "float": "f4",
    "double": "f8",
}
PACKINGS = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2", "txt": "text", "text": "text",
            "ascii": "text"}  # fmt: skip
# To RAS+, the first letters of the space's three axes.
SPACES = {"ras": (1, 1, 1), "las": (-1, 1, 1), "lps": (-1, -1, 1),
          "right-anterior-superior": (1, 1, 1), "left-anterior-superior": (-1, 1, 1),
          "left-posterior-superior": (-1, -1, 1)}  # fmt: skip
NO_PLACE = (
    "The file does not say how the head lies in it; its axes are taken as right, front, up. Check left and right."
)


def is_nrrd(data: bytes) -> bool:
    """Tell whether these first bytes are a NRRD header."""
    return re.match(rb"NRRD000[1-9]\r?\n", data[:16]) is not None


def read_nrrd(files: Mapping[str, bytes], volume: int | None) -> Scan:
    """Read a .nrrd, or a .nhdr with its voxels; `volume` is counted from 1. Raises ChoiceNeeded and ScanError."""
    header = next(data for data in files.values() if is_nrrd(data))
    values, begins = _header(header)
    beside = values.get("data file") or values.get("datafile")
    try:
        stored, raw, series = _described(values, begins, beside)
    except (*DAMAGE, ArithmeticError) as error:
        raise ScanError("the NRRD header is damaged or incomplete: please export the scan again.") from error
    data = header if beside is None else header_and_data(files, is_nrrd, ".nhdr", beside)[1]

    def voxels(number: int) -> np.ndarray:
        found = raw.voxels(data)
        return found if series is None else np.take(found, number, axis=series)

    return scan_of(Stored(stored.source, stored.shape, stored.affine, voxels, stored.notes), files, volume)


def _header(data: bytes) -> tuple[dict[str, str], int]:
    """Return the fields, by their names in small letters, and where the voxels begin."""
    values: dict[str, str] = {}
    begins = 0
    for line in data[:LONGEST_HEADER].splitlines(keepends=True):
        begins += len(line)
        text = line.decode("latin-1").strip()
        if not text:
            break
        name, colon, value = text.partition(": ")
        if colon and not text.startswith("#"):
            values[name.strip().lower()] = value.strip()
    return values, begins


def _described(values: dict[str, str], begins: int, beside: str | None) -> tuple[Stored, Raw, int | None]:
    kind = values["type"].lower()
    if kind not in TYPES:
        raise ScanError(f"the NRRD holds {kind}; only real numbers are read.")
    packing = PACKINGS.get(values["encoding"].lower())
    if packing is None:
        raise ScanError(f"the NRRD is packed as {values['encoding']!r}; raw, gzip and bzip2 are read.")
    if beside is not None and (beside.upper().startswith("LIST") or "%" in beside):
        raise ScanError("the NRRD's voxels lie in several files: write it as one .nrrd.")
    if values.get("line skip", "0") != "0":
        raise ScanError("the NRRD skips lines of its file of voxels; write it as one .nrrd.")
    sizes = tuple(int(side) for side in values["sizes"].split())
    dtype = np.dtype((">" if values.get("endian", "little").lower() == "big" else "<") + TYPES[kind])
    skip = int(values.get("byte skip", "0"))
    raw = Raw(dtype, sizes, packing, -1 if skip < 0 else skip if beside is not None else begins + skip)
    directions = _vectors(values.get("space directions"))
    notes: tuple[str, ...] = ()
    if directions is None:
        steps = [float(word) for word in values.get("spacings", "").split()] or [1.0] * len(sizes)
        spatial = list(range(3))
        columns = np.diag([step if np.isfinite(step) else 1.0 for step in steps[:3]])
        notes = (NO_PLACE,)
    else:
        spatial = _axes_in_space(directions)
        columns = np.array([(directions[axis] or [])[:3] for axis in spatial]).T
    others = [axis for axis in range(len(sizes)) if axis not in spatial]
    if len(spatial) != 3 or len(others) > 1:
        raise ScanError(f"the NRRD has {len(spatial)} axes in space of {len(sizes)}; 3 make a volume, 4 a series.")
    affine = np.eye(4)
    affine[:3, :3] = columns
    origin = _vectors(values.get("space origin"))
    if origin is not None and origin[0] is not None:
        affine[:3, 3] = origin[0][:3]
    space = values.get("space", "").lower()
    if directions is not None:
        if space not in SPACES:
            notes = (NO_PLACE,)
        affine = np.diag([*SPACES.get(space, (1, 1, 1)), 1]) @ affine
    said: list[str] = []
    units = re.findall(r'"([^"]*)"', values.get("space units") or values.get("units", ""))
    affine = in_mm(affine, *UNITS.get(next((one.lower() for one in units if one), "mm"), (1.0, "mm")), said)
    shape = tuple(sizes[axis] for axis in (*spatial, *others))
    source = f"NRRD, {depth_of(dtype)}"
    return (
        Stored(source, shape, affine, lambda number: np.empty(0), (*notes, *said)),
        raw,
        others[0] if others else None,
    )


def _axes_in_space(directions: Sequence[list[float] | None]) -> list[int]:
    """Return which axes lie in space; some programs count the time of a series as a fourth axis of it."""
    spatial = [axis for axis, one in enumerate(directions) if one is not None]
    return spatial[:3] if len(spatial) == 4 and all(len(one or ()) == 4 for one in directions) else spatial


def _vectors(text: str | None) -> list[list[float] | None] | None:
    """Read vectors as in "(1,0,0) none (0,1,0)"."""
    if text is None:
        return None
    found = re.findall(r"none|\(([^)]*)\)", text)
    return [[float(word) for word in one.split(",")] if one else None for one in found]


def _data_file(stem: str, header: bytes) -> tuple[str, ...]:
    values, _ = _header(header)
    name = values.get("data file") or values.get("datafile")
    return () if name is None else (name,)


READER = Reader(
    "NRRD", 78, is_nrrd, lambda data, volume: read_nrrd({"": data}, volume), read_several=read_nrrd, has_pages=True,
    beside=_data_file,
)  # fmt: skip
