"""The record that every file format of `core.scans.formats` exports."""

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.scans.scan import Scan

# What decoders raise on damaged bytes; a format adds what its own library raises besides.
DAMAGE = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class Reader:
    """One file format.

    Attributes:
        name: What people call the format, such as "PNG".
        priority: Readers are tried in this order, lowest first.
        matches: Whether these bytes are in the format; looks at the first bytes only.
        read: Turns the bytes of one file, and the chosen page or volume (from 1, or None), into a Scan; may raise
            ScanError.
        read_several: The same for files that make up one scan together (name to bytes); None if every file is a scan.
        has_pages: Whether a file may hold several pages, volumes or series, of which `read` refuses one that is not
            there; for the other formats that is done before `read`.
        beside: For a format of two files: names that the file of voxels may have, from the header's name without its
            ending, and its bytes; none where the header holds its voxels itself.
        of_discs: Whether such files come on discs, with viewers and tables of contents that are no scans.
    """

    name: str
    priority: int
    matches: Callable[[bytes], bool]
    read: Callable[[bytes, int | None], Scan]
    read_several: Callable[[Mapping[str, bytes], int | None], Scan] | None = None
    has_pages: bool = False
    beside: Callable[[str, bytes], tuple[str, ...]] | None = None
    of_discs: bool = False
