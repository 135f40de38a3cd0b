"""Volumes whose header is understood already: one of a series is chosen, sizes are checked, and a Scan is made.

What a format's own reader, or nibabel, has found out comes here as a `Stored`; no voxel has been read by then.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ScanError
from core.scans.raster import generated_name
from core.scans.reader import DAMAGE
from core.scans.scan import Scan
from core.scans.volume import CHANNELS, EQUAL_CHANNELS, chosen_volume, is_regular, scan_from_volume, series_shape


@dataclass(frozen=True, eq=False)
class Stored:
    """A volume, or a series of volumes, as its header describes it.

    Attributes:
        source: Format and depth in words.
        shape: I × J × K, or I × J × K × volumes.
        affine: float64, 4 × 4, from index to mm, RAS+.
        read: Reads one volume by its number from 0, I × J × K of any real dtype.
        notes: What the reader noticed.
    """

    source: str
    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    read: Callable[[int], NDArray[np.generic]]
    notes: tuple[str, ...] = ()


def scan_of(stored: Stored, parts: Mapping[str, bytes], choice: int | None) -> Scan:
    """Read one volume and make a Scan of it.

    Args:
        stored: What the header says.
        parts: The files it was made of, for the scan's name.
        choice: Which volume of a series, counted from 1.

    Raises:
        ChoiceNeeded: There are several and none was chosen.
        ScanError: It is damaged, too large, holds no real numbers, or has no such volume.
    """
    shape, notes = series_shape(stored.shape), list(stored.notes)
    if not is_regular(stored.affine):
        raise ScanError("the header's position matrix is not usable: please export the scan again.")
    try:
        if choice is None and len(shape) == 4 and shape[3] == CHANNELS and _equal_channels(stored):
            choice = 1
            notes.append(EQUAL_CHANNELS)
        chosen = chosen_volume(shape, choice)
        values = stored.read(chosen - 1)
    except DAMAGE as error:
        raise ScanError("the data is damaged or incomplete: please export or copy it again.") from error
    if values.dtype.kind not in "buif":
        raise ScanError(f"the volume holds {values.dtype} values; only real numbers are read.")
    if values.shape != shape[:3]:
        raise ScanError("the data has another shape than the header states: please export or copy it again.")
    name = generated_name(*parts.values(), *([str(chosen).encode()] if len(shape) == 4 else []))
    return scan_from_volume(values, stored.affine, name=name, source=stored.source, warnings=tuple(notes))


def _equal_channels(stored: Stored) -> bool:
    first = stored.read(0)
    return all(np.array_equal(first, stored.read(number)) for number in range(1, CHANNELS))


def depth_of(dtype: np.dtype) -> str:
    """Say how a voxel is stored, such as "16-bit unsigned".

    >>> depth_of(np.dtype("<i2")), depth_of(np.dtype(np.uint16)), depth_of(np.dtype(np.float32))
    ('16-bit', '16-bit unsigned', '32-bit float')
    """
    kinds = {"u": " unsigned", "f": " float"}
    return f"{8 * dtype.itemsize}-bit{kinds.get(dtype.kind, '') if dtype != np.uint8 else ''}"
