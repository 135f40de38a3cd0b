"""The record that every file format of `core.scans.formats` exports."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.scans.scan import Scan


@dataclass(frozen=True)
class Reader:
    """One file format.

    Attributes:
        name: What people call the format, such as "PNG".
        priority: Readers are asked in this order, lowest first.
        matches: Whether these bytes are of the format; looks at the first bytes only.
        read: Bytes of one file and chosen page or volume (from 1, or None) to Scan; raises ScanError.
        read_several: The same for files that make one scan together (name to bytes); None where a file is a scan.
    """

    name: str
    priority: int
    matches: Callable[[bytes], bool]
    read: Callable[[bytes, int | None], Scan]
    read_several: Callable[[Mapping[str, bytes], int | None], Scan] | None = None
