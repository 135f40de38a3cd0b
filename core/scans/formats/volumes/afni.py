"""AFNI: a header (.HEAD) with its image (.BRIK); attributes as in README.attributes of afni.nimh.nih.gov."""

import io
from collections.abc import Mapping

import numpy as np
from nibabel.brikhead import AFNIArrayProxy, AFNIHeader, AFNIHeaderError, AFNIImageError

from core.errors import ScanError
from core.scans.headers.pairs import header_and_data
from core.scans.headers.stored import Stored, depth_of, scan_of
from core.scans.reader import DAMAGE, Reader
from core.scans.scan import Scan


def is_afni(data: bytes) -> bool:
    """Tell whether these first bytes are an AFNI header: attributes with type, name and count."""
    head = data[:256].lstrip()
    return head.startswith(b"type") and b"-attribute" in head and b"name" in head and b"count" in head


def read_afni(files: Mapping[str, bytes], volume: int | None) -> Scan:
    """Read a .HEAD with its .BRIK; `volume` is counted from 1. Raises ChoiceNeeded and ScanError."""
    header, brik = header_and_data(files, is_afni, ".HEAD", ".BRIK")
    try:
        read = AFNIHeader.from_fileobj(io.StringIO(header.decode("utf-8", errors="replace")))
        shape, affine = tuple(map(int, read.get_data_shape())), np.asarray(read.get_affine(), np.float64)
        dtype = read.get_data_dtype()
    except (*DAMAGE, AFNIHeaderError, AFNIImageError) as error:
        raise ScanError("the AFNI header is damaged or of a kind that is not read: export it as NIfTI.") from error

    def voxels(number: int) -> np.ndarray:
        proxy = AFNIArrayProxy(io.BytesIO(brik), read, mmap=False)
        return np.asarray(proxy[..., number] if len(shape) == 4 else proxy)

    return scan_of(Stored(f"AFNI, {depth_of(dtype)}", shape, affine, voxels), files, volume)


READER = Reader(
    "AFNI", 72, is_afni, lambda data, volume: read_afni({"": data}, volume), read_several=read_afni, has_pages=True,
    beside=lambda stem, header: (f"{stem}.BRIK",),
)  # fmt: skip
