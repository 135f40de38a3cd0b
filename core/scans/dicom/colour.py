"""Colour DICOM images as grey: three samples a pixel, or a palette (PS3.3, C.7.6.3.1.2 and C.7.9).

Colour becomes grey by ITU-R BT.601 luma, as in pictures; three equal samples, and palettes of greys, keep their values.
"""

from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from core.errors import ScanError
from core.scans.raster import COLOUR_TOLERANCE, COLOURED, luma_of

Pixels = NDArray[Any]
MONOCHROME, PALETTE = ("MONOCHROME1", "MONOCHROME2"), "PALETTE COLOR"
LUMA_FIRST = ("YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420")  # the first sample is luma itself
COLOURS = ("RGB", *LUMA_FIRST, "YBR_ICT", "YBR_RCT")
KNOWN = (*MONOCHROME, PALETTE, *COLOURS)


def grey_of_colours(pixels: Pixels, kind: str, notes: list[str], *, decoded: bool) -> Pixels:
    """Return one value a pixel of three.

    Args:
        pixels: Unsigned integers, frames × rows × columns × 3.
        kind: Photometric Interpretation, one of `COLOURS`.
        notes: Where it is said that colours were lost.
        decoded: Whether a decoder has made RGB of it already.

    Returns:
        frames × rows × columns; the integers where the three samples are equal, else float32.
    """
    white = float(np.iinfo(pixels.dtype).max)
    if kind in LUMA_FIRST and not decoded:
        if np.abs(pixels[..., 1:].astype(np.int64) - round(white / 2 + 0.5)).max() > COLOUR_TOLERANCE * white:
            notes.append(COLOURED)
        return pixels[..., 0]
    grey = [luma_of(np.moveaxis(frame, -1, 0), white, notes) for frame in pixels]
    kept = all(one.dtype == pixels.dtype for one in grey)
    return np.stack(grey).astype(pixels.dtype if kept else np.float32)


def grey_of_palette(pixels: Pixels, dataset: pydicom.Dataset, notes: list[str]) -> Pixels:
    """Look indices up in an object's palette.

    Args:
        pixels: Integers, frames × rows × columns.
        dataset: The object, with its three lookup tables.
        notes: Where it is said that colours were lost.

    Raises:
        ScanError: A table is missing, or of a kind that is not read.
    """
    tables = [_table(dataset, name) for name in ("Red", "Green", "Blue")]
    first = int(dataset["RedPaletteColorLookupTableDescriptor"].value[1])
    colours = np.stack(tables, axis=-1)
    table = grey_of_colours(colours, "RGB", notes, decoded=True)
    return table[np.clip(pixels.astype(np.int64) - first, 0, len(table) - 1)]


def _table(dataset: pydicom.Dataset, name: str) -> Pixels:
    """Return one lookup table as 8-bit values."""
    descriptor = dataset.get(f"{name}PaletteColorLookupTableDescriptor", None)
    data = dataset.get(f"{name}PaletteColorLookupTableData", None)
    if descriptor is None or len(descriptor) != 3 or not isinstance(data, bytes):
        raise ScanError(
            "the DICOM image is stored with a palette that is missing or segmented; export it as greyscale."
        )
    count, bits = int(descriptor[0]) or 65536, int(descriptor[2])
    wide = len(data) >= 2 * count
    if bits not in {8, 16} or len(data) < count:
        raise ScanError("the palette of the DICOM image is incomplete: please export or copy the file again.")
    table = np.frombuffer(data, "<u2" if wide else "u1", count)
    return (table >> 8 if wide and (bits == 16 or table.max() > 255) else table).astype(np.uint8)
