"""WebP (RFC 9649), lossy and lossless: the first frame."""

from core.scans.pillow import read_with_pillow
from core.scans.reader import Reader
from core.scans.scan import Scan

FILM = "A WebP with several frames; the first one is read."


def read_webp(data: bytes, page: int | None) -> Scan:
    """Read the first frame of a WebP picture; `page` is ignored. Raises ScanError."""
    del page
    return read_with_pillow(data, "WEBP", of_several=FILM)


READER = Reader("WebP", 46, lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", read_webp)
