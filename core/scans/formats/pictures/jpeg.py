"""JPEG (ITU-T T.81), 8 bits per sample, grey, YCbCr or CMYK."""

from core.scans.pillow import read_with_pillow
from core.scans.reader import Reader
from core.scans.scan import Scan


def read_jpeg(data: bytes, page: int | None) -> Scan:
    """Read a JPEG picture; it has one page, so `page` says nothing. Raises ScanError."""
    del page
    return read_with_pillow(data, "JPEG")


READER = Reader("JPEG", 20, lambda data: data.startswith(b"\xff\xd8\xff"), read_jpeg)
