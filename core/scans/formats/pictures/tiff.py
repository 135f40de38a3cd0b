"""TIFF 6.0 and BigTIFF: any bit depth, integer or float, one page at a time."""

import io
import logging
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from core.errors import ChoiceNeeded, ScanError
from core.scans.pillow import CMYK_WARNING
from core.scans.raster import check_size, scan_from_pixels
from core.scans.reader import DAMAGE, Reader
from core.scans.scan import Scan
from core.words import counted

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAX_PAGES = 5_000
UINT8 = 255
ONE_OF_STACK = "The file holds {} images behind one page, as ImageJ writes them; the first was read."
DECODING_ERRORS = (*DAMAGE, ZeroDivisionError)
# How to turn the stored rows upright for each value of tag 274 (TIFF 6.0, page 36).
UPRIGHT = {1: "", 2: "h", 3: "hv", 4: "v", 5: "t", 6: "th", 7: "thv", 8: "tv"}

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it finds is raised as one ScanError


def read_tiff(data: bytes, page: int | None) -> Scan:
    """Read one page of a TIFF file, turned upright according to its orientation tag.

    Args:
        data: The file.
        page: Which page, counted from 1; needed only if there are several.

    Raises:
        ChoiceNeeded: There are several pages and none was chosen.
        ScanError: The file is damaged, incomplete, of a size that is not accepted, or has no such page.
    """
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tiff:
            offsets = _directory_offsets(tiff)
            number = _chosen(len(offsets), page)
            found = tiff.pages[number - 1]
            assert isinstance(found, tifffile.TiffPage)  # noqa: S101 - tifffile returns frames only on request
            scan = _read_page(found, data)
            if len(offsets) > 1:
                return replace(scan, name=f"{scan.name}-{number}")
            images = (tiff.imagej_metadata or {}).get("images", 1)
            return scan.with_warnings(ONE_OF_STACK.format(images)) if images > 1 else scan
    except DECODING_ERRORS as error:
        raise ScanError("the TIFF file is damaged, incomplete or uses a compression that is not supported.") from error


def _chosen(count: int, page: int | None) -> int:
    if page is None and count > 1:
        raise ChoiceNeeded(
            f"the TIFF file holds {count} pages; choose one from 1 to {count}.",
            tuple(f"page {number}" for number in range(1, count + 1)),
        )
    chosen = 1 if page is None else page
    if not 1 <= chosen <= count:
        raise ScanError(f"the TIFF file holds {counted(count, 'page')}, so there is no page {chosen}.")
    return chosen


def _directory_offsets(tiff: tifffile.TiffFile) -> list[int]:
    """Follow the chain of image directories; one that loops or never ends is rejected."""
    layout, stream = tiff.tiff, tiff.filehandle
    stream.seek(8 if layout.is_bigtiff else 4)
    offsets: list[int] = []
    while (offset := struct.unpack(layout.offsetformat, stream.read(layout.offsetsize))[0]) != 0:
        if offset in offsets or len(offsets) == MAX_PAGES:
            raise ScanError("the TIFF data is damaged: its list of pages never ends.")
        offsets.append(offset)
        stream.seek(offset)
        (n_tags,) = struct.unpack(layout.tagnoformat, stream.read(layout.tagnosize))
        stream.seek(offset + layout.tagnosize + n_tags * layout.tagsize)
    if not offsets:
        raise ScanError("the TIFF file contains no pages.")
    return offsets


def _read_page(page: tifffile.TiffPage, data: bytes) -> Scan:
    check_size(page.imagelength, page.imagewidth)
    if page.imagedepth != 1 or page.samplesperpixel > 5:
        raise ScanError(f"the TIFF page has {page.samplesperpixel} values per pixel; only grey or colour is read.")
    stored = page.asarray()
    if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and stored.ndim == 3:
        stored = np.moveaxis(stored, 0, -1)
    pixels = _upright(stored, page)
    source = f"TIFF, {page.bitspersample}-bit {'float' if pixels.dtype.kind == 'f' else 'values'}"
    return _scan(pixels, page, data, source)


def _upright(pixels: NDArray[np.generic], page: tifffile.TiffPage) -> NDArray[np.generic]:
    tag = page.tags.get(274)
    steps = UPRIGHT.get(int(tag.value), "") if tag is not None else ""
    if "t" in steps:
        pixels = np.swapaxes(pixels, 0, 1)
    if "h" in steps:
        pixels = pixels[:, ::-1]
    if "v" in steps:
        pixels = pixels[::-1]
    return pixels


def _scan(pixels: NDArray[np.generic], page: tifffile.TiffPage, data: bytes, source: str) -> Scan:
    kind = page.photometric
    several = pixels[..., None] if pixels.ndim == 2 else pixels
    own = several.shape[2] - len(page.extrasamples)  # samples that are the colour; the others come after them
    alpha = _alpha(several, own, page)
    if kind == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        colours = np.moveaxis(np.asarray(page.colormap)[:, several[..., 0].astype(np.intp)], 0, -1)
        # TIFF keeps palettes in 16 bits; some programs write 8 into them.
        eight = (colours >> 8 if np.asarray(page.colormap).max() > UINT8 else colours).astype(np.uint8)
        return scan_from_pixels(eight, data, source, alpha=_full_depth(alpha, page.bitspersample))
    if kind == tifffile.PHOTOMETRIC.SEPARATED:
        ink = several[..., :4].astype(np.float64) / np.iinfo(pixels.dtype.str).max
        rgb = (1 - ink[..., :3]) * (1 - ink[..., 3:])
        return scan_from_pixels((rgb * 255).round().astype(np.uint8), data, source).with_warnings(CMYK_WARNING)
    several, alpha = (_full_depth(one, page.bitspersample) for one in (several, alpha))
    if kind == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind in "bu":
        several = np.invert(several)  # bool and unsigned only: the largest value minus each
    return scan_from_pixels(several[..., :3] if own >= 3 else several[..., 0], data, source, alpha=alpha)


def _alpha(samples: NDArray[np.generic], own: int, page: tifffile.TiffPage) -> NDArray[np.generic] | None:
    """Return the extra sample that is transparency; None if there is none, or if it is in the colours already."""
    unassociated = [at for at, one in enumerate(page.extrasamples, start=own) if one == tifffile.EXTRASAMPLE.UNASSALPHA]
    return samples[..., unassociated[0]] if unassociated else None


def _full_depth(pixels: NDArray[np.generic] | None, bits: int) -> Any:
    """Spread 2-, 4- and 6-bit grey levels, stored in bytes, over 0 to 255; None stays None."""
    if pixels is not None and pixels.dtype == np.uint8 and bits < 8:
        spread = pixels.astype(np.float64) * (255.0 / (2**bits - 1))
        return np.asarray(spread.round(), np.uint8)
    return pixels


READER = Reader("TIFF", 30, lambda data: data[:4] in SIGNATURES, read_tiff, has_pages=True)
