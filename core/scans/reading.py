"""The one door through which bytes become a Scan."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path

from core.errors import PageNeeded, ScanError
from core.registry import collect
from core.scans.reader import Reader
from core.scans.scan import Scan

MAX_BYTES = 100 * 1024 * 1024
# What else people drop on such a page, told by its first bytes.
STRANGERS = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "PostScript"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"GIF8", "a GIF picture"),
    (b"RIFF", "a WebP picture or a RIFF file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
    (b"\x80\x04", "a Python pickle"),
)


@functools.cache
def readers() -> tuple[Reader, ...]:
    """Return every file format that can be read, in the order they are asked."""
    return collect("core.scans.readers", "READER", Reader)


def read_scan(files: Mapping[str, bytes], *, page: int | None = None) -> Scan:
    """Read one scan from the bytes of its file; the content decides the format, the name nothing.

    Args:
        files: File name to content. The formats read today keep a scan in one file.
        page: Which page of a file of several, counted from 1.

    Returns:
        The scan, named by its content. The file name goes no further than an error's sentence.

    Raises:
        PageNeeded: The file holds several pages and none was chosen.
        ScanError: The content is no scan; says what came and what is accepted.
    """
    if len(files) != 1:
        raise ScanError(f"one file makes a scan here; {len(files)} were given.")
    ((file_name, data),) = files.items()
    shown = display_name(file_name)
    if len(data) > MAX_BYTES:
        raise ScanError(f"{shown} has {len(data) / 2**20:.0f} MB; at most {MAX_BYTES // 2**20} MB are read.")
    for reader in readers():
        if reader.matches(data):
            try:
                return reader.read(data, page)
            except PageNeeded as error:
                raise PageNeeded(f"{shown}: {error}", error.n_pages) from error
            except ScanError as error:
                raise ScanError(f"{shown}: {error}") from error
    accepted = ", ".join(reader.name for reader in readers())
    raise ScanError(f"{shown} holds {_what_came(data)}; accepted are {accepted}.")


def read_scan_file(path: str | Path, *, page: int | None = None) -> Scan:
    """Read one scan from disk.

    Raises:
        ScanError: There is no such file, it cannot be opened, or it is no scan.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable file name"
        raise ScanError(f"{display_name(str(path))} cannot be opened: {reason}.") from error
    return read_scan({path.name: data}, page=page)


def display_name(file_name: str) -> str:
    """Reduce a file name to its last part, of plain characters, of at most 48 of them: safe to print anywhere."""
    last = re.split(r"[\\/]", file_name)[-1]
    plain = re.sub(r"[^\w.\- ]", "_", last).lstrip(" .-=_") or "file"
    return plain if len(plain) <= 48 else f"{plain[:36]}…{plain[-11:]}"


def _what_came(data: bytes) -> str:
    if not data:
        return "nothing (0 bytes)"
    if data[128:132] == b"DICM":
        return "DICOM"
    for magic, name in STRANGERS:
        if data.startswith(magic):
            return name
    head = data[:512].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if all(byte >= 32 or byte in b"\t\r\n\f" for byte in data[:512]):
        return "text"
    return "data of an unknown kind"
