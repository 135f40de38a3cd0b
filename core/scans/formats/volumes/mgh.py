"""FreeSurfer's MGH (surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat); `.mgz` is unpacked beforehand."""

import io
import struct

import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader, MGHImage

from core.errors import ScanError
from core.scans.headers.stored import Stored, depth_of, scan_of
from core.scans.reader import DAMAGE, Reader
from core.scans.scan import Scan

VERSION, HEADER = 1, 284  # bytes in front of the voxels
TYPES = {0: 1, 1: 4, 3: 4, 4: 2}  # of voxels: bytes each
NO_PLACE = "The file does not say how the head lies in it; coronal slices are assumed. Check left and right."


def is_mgh(data: bytes) -> bool:
    """Tell whether these first bytes are an MGH header: version 1, four positive sizes and a known type."""
    if len(data) < 28:
        return False
    version, *sizes, kind = struct.unpack(">6i", data[:24])
    return version == VERSION and kind in TYPES and all(0 < size <= 2**20 for size in sizes)


def read_mgh(data: bytes, volume: int | None) -> Scan:
    """Read an MGH file, uncompressed; `volume` is counted from 1. Raises ChoiceNeeded and ScanError."""
    _, *sizes, kind = struct.unpack(">6i", data[:24])
    needed = HEADER + TYPES[kind] * int(np.prod(sizes, dtype=np.float64))
    if len(data) < needed:
        raise ScanError(f"the file is incomplete ({len(data):,} of {needed:,} bytes): please export or copy it again.")
    try:
        header = MGHHeader.from_fileobj(io.BytesIO(data[:HEADER]))
        affine = np.asarray(header.get_affine(), np.float64)
        dtype = header.get_data_dtype()
    except DAMAGE as error:
        raise ScanError("the header is damaged: please export or copy the file again.") from error

    def read(number: int) -> np.ndarray:
        image = MGHImage.from_bytes(data)
        return np.asarray(image.dataobj[..., number] if sizes[3] > 1 else image.dataobj)

    notes = () if int(header["goodRASFlag"]) > 0 else (NO_PLACE,)
    shape = tuple(sizes) if sizes[3] > 1 else tuple(sizes[:3])
    return scan_of(Stored(f"FreeSurfer MGH, {depth_of(dtype)}", shape, affine, read, notes), {"": data}, volume)


READER = Reader("FreeSurfer MGH", 62, is_mgh, read_mgh, has_pages=True)
