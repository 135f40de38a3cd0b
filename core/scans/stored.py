"""Volumes whose header is understood already: one of a series is chosen, sizes are checked, and a Scan is made.

What a format's own reader, or nibabel, has found out comes here as a `Stored`; no voxel has been read by then.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ChoiceNeeded, ScanError
from core.scans.raster import generated_name
from core.scans.reader import DAMAGE
from core.scans.scan import Scan
from core.scans.volume import check_volume, is_regular, scan_from_volume
from core.words import counted

MAX_SERIES = 100_000


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
    shape = stored.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if not 3 <= len(shape) <= 4:
        raise ScanError(f"the header states {len(shape)} dimensions; 3 make a volume, 4 a series of volumes.")
    check_volume(shape[:3])
    series = shape[3] if len(shape) == 4 else 1
    if not 1 <= series <= MAX_SERIES:
        raise ScanError(f"the header states {series:,} volumes; 1 to {MAX_SERIES:,} are read.")
    if series > 1 and choice is None:
        sides = "×".join(map(str, shape))
        raise ChoiceNeeded(
            f"the file holds a 4-D series ({sides}); choose one volume from 1 to {series}.",
            tuple(f"volume {number}" for number in range(1, series + 1)),
        )
    chosen = choice or 1
    if chosen > series:
        raise ScanError(f"the file holds {counted(series, 'volume')}, so there is no volume {chosen}.")
    if not is_regular(stored.affine):
        raise ScanError("the header's position matrix is not usable: please export the scan again.")
    try:
        values = stored.read(chosen - 1)
    except DAMAGE as error:
        raise ScanError("the data is damaged or incomplete: please export or copy it again.") from error
    if values.dtype.kind not in "buif":
        raise ScanError(f"the volume holds {values.dtype} values; only real numbers are read.")
    if values.shape != shape[:3]:
        raise ScanError("the data has another shape than the header states: please export or copy it again.")
    name = generated_name(*parts.values(), *([str(chosen).encode()] if series > 1 else []))
    return scan_from_volume(values, stored.affine, name=name, source=stored.source, warnings=stored.notes)


def depth_of(dtype: np.dtype) -> str:
    """Say how a voxel is stored, such as "16-bit unsigned".

    >>> depth_of(np.dtype("<i2")), depth_of(np.dtype(np.uint16)), depth_of(np.dtype(np.float32))
    ('16-bit', '16-bit unsigned', '32-bit float')
    """
    kinds = {"u": " unsigned", "f": " float"}
    return f"{8 * dtype.itemsize}-bit{kinds.get(dtype.kind, '') if dtype != np.uint8 else ''}"
