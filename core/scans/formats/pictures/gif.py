"""GIF87a and GIF89a: the first frame, as a film is no scan."""

from core.scans.pillow import read_with_pillow
from core.scans.reader import Reader
from core.scans.scan import Scan

FILM = "A GIF with several frames; the first one is read."


def read_gif(data: bytes, page: int | None) -> Scan:
    """Read the first frame of a GIF; `page` is ignored. Raises ScanError."""
    del page
    return read_with_pillow(data, "GIF", of_several=FILM)


READER = Reader("GIF", 45, lambda data: data[:6] in (b"GIF87a", b"GIF89a"), read_gif)
