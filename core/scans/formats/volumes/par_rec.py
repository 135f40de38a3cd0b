"""Philips PAR/REC, a text with its image; versions 4 to 4.2. Names of patients in the text are not looked at."""

import io
from collections.abc import Mapping

import numpy as np
from nibabel.parrec import PARRECArrayProxy, PARRECError, PARRECHeader

from core.errors import ScanError
from core.scans.headers.pairs import header_and_data
from core.scans.headers.stored import Stored, depth_of, scan_of
from core.scans.reader import DAMAGE, Reader
from core.scans.scan import Scan

TITLE = b"# === DATA DESCRIPTION FILE"


def is_par(data: bytes) -> bool:
    """Tell whether these first bytes are a PAR file."""
    return data.lstrip()[: len(TITLE)] == TITLE


def read_par_rec(files: Mapping[str, bytes], volume: int | None) -> Scan:
    """Read a .PAR with its .REC; `volume` is counted from 1. Raises ChoiceNeeded and ScanError."""
    header, rec = header_and_data(files, is_par, ".PAR", ".REC")
    try:
        text = io.StringIO(header.decode("utf-8", errors="replace"))
        read = PARRECHeader.from_fileobj(text, permit_truncated=False, strict_sort=False)
        shape, affine = tuple(map(int, read.get_data_shape())), np.asarray(read.get_affine(), np.float64)
        dtype = read.get_data_dtype()
    except (*DAMAGE, PARRECError) as error:
        raise ScanError("the PAR file is damaged, cut short or of a version that is not read: export DICOM.") from error

    def voxels(number: int) -> np.ndarray:
        proxy = PARRECArrayProxy(io.BytesIO(rec), read, mmap=False)
        return np.asarray(proxy[..., number] if len(shape) == 4 else proxy)

    return scan_of(Stored(f"Philips PAR/REC, {depth_of(dtype)}", shape, affine, voxels), files, volume)


READER = Reader(
    "PAR/REC", 74, is_par, lambda data, volume: read_par_rec({"": data}, volume), read_several=read_par_rec,
    has_pages=True, beside=lambda stem, header: (f"{stem}.REC",),
)  # fmt: skip
