"""PNG (ISO/IEC 15948), 1 to 16 bits, grey, palette or colour, with or without transparency."""

import struct
import zlib

import cv2
import numpy as np

from core.errors import ScanError
from core.scans.pillow import read_with_pillow
from core.scans.raster import check_size, scan_from_pixels
from core.scans.reader import Reader
from core.scans.scan import Scan

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIXEL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
GREY_ALPHA, COLOUR, COLOUR_ALPHA = 4, 2, 6


def read_png(data: bytes, page: int | None) -> Scan:
    """Read a PNG picture; it has one page, so `page` says nothing.

    Every chunk's checksum is verified first, since decoders differ in what damage they notice.

    Raises:
        ScanError: A checksum is wrong, the file is incomplete, or its size is not accepted.
    """
    del page
    stripped = _checked_pixel_chunks(data)
    width, height, bit_depth, colour_type = struct.unpack(">IIBB", stripped[16:26])
    check_size(height, width)
    scan = read_with_pillow(data, "PNG")
    if bit_depth == 16 and colour_type in {GREY_ALPHA, COLOUR, COLOUR_ALPHA}:
        return _read_deep_colour(stripped, data)  # Pillow keeps only the upper 8 of these 16 bits
    return scan


def _checked_pixel_chunks(data: bytes) -> bytes:
    """Walk the chunks (ISO/IEC 15948, 5.3), check their CRC, and keep those that hold pixels."""
    kept, position, kind = [SIGNATURE], len(SIGNATURE), b""
    while kind != b"IEND":
        header = data[position : position + 8]
        if len(header) < 8:
            raise ScanError("the PNG file is incomplete: please export or copy it again.")
        length, kind = struct.unpack(">I4s", header)
        end = position + 12 + length
        body, checksum = data[position + 4 : end - 4], data[end - 4 : end]
        if end > len(data):
            raise ScanError("the PNG file is incomplete: please export or copy it again.")
        if zlib.crc32(body) != int.from_bytes(checksum, "big"):
            raise ScanError(
                "the PNG data is damaged (a checksum does not match): please export or copy the file again."
            )
        if kind in PIXEL_CHUNKS:
            kept.append(data[position:end])
        position = end
    if len(kept) < 2 or kept[1][4:8] != b"IHDR" or len(kept[1]) != 25:
        raise ScanError("the PNG data is damaged: it does not begin with its header.")
    return b"".join(kept)


def _read_deep_colour(stripped: bytes, data: bytes) -> Scan:
    pixels = cv2.imdecode(np.frombuffer(stripped, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ScanError("the PNG data is damaged.")
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else None
    return scan_from_pixels(pixels[..., 2::-1], data, "PNG, 16-bit colour", alpha=alpha)


READER = Reader("PNG", 10, lambda data: data.startswith(SIGNATURE), read_png)
