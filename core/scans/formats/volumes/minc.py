"""MINC 1 (netCDF) and MINC 2 (HDF5), of the McConnell Brain Imaging Centre (en.wikibooks.org/wiki/MINC)."""

import io
from typing import Any

import h5py
import numpy as np
from nibabel.externals.netcdf import netcdf_file
from nibabel.minc1 import Minc1File, MincError
from nibabel.minc2 import Minc2File

from core.errors import ScanError
from core.scans.headers.stored import Stored, depth_of, scan_of
from core.scans.reader import DAMAGE, Reader
from core.scans.scan import Scan

NETCDF, HDF5 = (b"CDF\x01", b"CDF\x02"), b"\x89HDF\r\n\x1a\n"
GROUP = b"minc-2.0"  # the name of the group that holds everything, near the beginning of the file
NEAR = 64 * 1024
ELSEWHERE = "the MINC file's values lie in another file, which is not opened: write it as one file."


def is_minc(data: bytes) -> bool:
    """Tell whether these first bytes are a netCDF file with an image, or an HDF5 file with MINC's group."""
    if data[:4] in NETCDF:
        return b"minc" in data[:NEAR].lower() or b"xspace" in data[:NEAR]
    return data.startswith(HDF5) and GROUP in data[:NEAR]


def read_minc(data: bytes, volume: int | None) -> Scan:
    """Read a MINC file; `volume` is counted from 1, of a series over time. Raises ChoiceNeeded and ScanError."""
    first = data[:4] in NETCDF
    try:
        found: Any = Minc1File(netcdf_file(io.BytesIO(data))) if first else Minc2File(_self_contained(data))
        shape, affine = tuple(map(int, found.get_data_shape())), np.asarray(found.get_affine(), np.float64)
        dtype = found.get_data_dtype()
    except (*DAMAGE, MincError) as error:
        raise ScanError("the MINC file is damaged, or no volume of three axes: export it again.") from error

    def read(number: int) -> np.ndarray:
        return np.asarray(found.get_scaled_data((number,) if len(shape) == 4 else ()))

    stored = Stored(
        f"MINC {1 if first else 2}, {depth_of(dtype)}",
        (*shape[1:], shape[0]) if len(shape) == 4 else shape,  # time comes first
        affine if affine.shape == (4, 4) else np.delete(np.delete(affine, 0, axis=0), 0, axis=1),
        read,
    )
    return scan_of(stored, {"": data}, volume)


def _self_contained(data: bytes) -> h5py.File:
    """Open an HDF5 file whose values all lie in itself: the format can lead to any other file of the machine.

    Raises:
        ScanError: It holds external storage, a virtual data set, or a link to another file.
    """
    file = h5py.File(io.BytesIO(data), "r")
    waiting: list[Any] = [file]
    visited: set[Any] = set()
    while waiting:
        group = waiting.pop()
        for name in group:
            if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
                raise ScanError(ELSEWHERE)
            one = group.get(name)
            if isinstance(one, h5py.Dataset) and (one.external or one.is_virtual):
                raise ScanError(ELSEWHERE)
            if isinstance(one, h5py.Group) and one.id not in visited:
                visited.add(one.id)
                waiting.append(one)
    return file


READER = Reader("MINC", 64, is_minc, read_minc, has_pages=True)
