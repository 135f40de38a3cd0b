"""Windows bitmap (BMP), 1 to 32 bits per pixel."""

from core.scans.pillow import read_with_pillow
from core.scans.reader import Reader
from core.scans.scan import Scan


def read_bmp(data: bytes, page: int | None) -> Scan:
    """Read a bitmap; it has one page, so `page` says nothing. Raises ScanError."""
    del page
    return read_with_pillow(data, "BMP")


READER = Reader("BMP", 40, lambda data: data.startswith(b"BM"), read_bmp)
