"""Zip archives and gzip files, unpacked in memory with every claim checked: names, counts, sizes and contents.

Nothing is ever written to disk, so no member name can escape; names that try to are rejected anyway.
"""

import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from core.errors import ScanError
from core.scans.nifti import bytes_needed, is_single_file
from core.words import first_free

MAX_UNPACKED = 400 * 1024 * 1024  # bytes of all members together
MAX_MEMBERS = 5_000
MOST_GROWTH = 200  # times a member may grow; scans compress to a tenth at best, zeros to a thousandth
SMALL = 4 * 1024 * 1024  # a member that unpacks to less than this may have grown by any factor
CHUNK = 1024 * 1024
HEAD = 2048
DAMAGES = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, NotImplementedError, RuntimeError)
ZIP, GZIP = b"PK\x03\x04", b"\x1f\x8b"
EMPTY_ZIP = b"PK\x05\x06"
# What operating systems leave behind, and what cannot be a scan.
LEFTOVERS = frozenset({".ds_store", "thumbs.db", "desktop.ini", "__macosx"})


def is_archive(data: bytes) -> bool:
    """Tell whether these bytes are a zip archive or gzip data."""
    return data.startswith((ZIP, EMPTY_ZIP, GZIP))


def is_leftover(name: str) -> bool:
    """Tell whether a path is something an operating system left behind."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return any(part.lower() in LEFTOVERS or part.startswith("._") for part in parts)


def unpacked(name: str, data: bytes) -> dict[str, bytes]:
    """Unpack one zip archive or gzip file.

    Args:
        name: Its name; what a gzip file holds gets the same name without ".gz".
        data: Its bytes.

    Returns:
        Member name to bytes, without leftovers; gzip members are unpacked too.

    Raises:
        ScanError: It is damaged, encrypted, malicious, too large, or contains another archive.
    """
    if data.startswith(GZIP):
        return {name.removesuffix(".gz"): gunzipped(data)}
    members: dict[str, bytes] = {}
    left = MAX_UNPACKED
    for member, content in _members(data):
        inner = gunzipped(content) if content.startswith(GZIP) else content
        if inner.startswith((ZIP, EMPTY_ZIP)):
            raise ScanError("the archive contains another archive; unpack it first.")
        left -= len(inner)
        if left < 0:
            raise ScanError(f"the archive contains more than {MAX_UNPACKED // 2**20} MB; give one scan at a time.")
        members[first_free(member.removesuffix(".gz"), members.__contains__)] = inner
    if not members:
        raise ScanError("the archive contains no files.")
    return members


def gunzipped(data: bytes) -> bytes:
    """Unpack gzip data, of several members too; a NIfTI file only up to the size its header states.

    Raises:
        ScanError: It is damaged, incomplete, or grows beyond every limit.
    """
    found = bytearray()
    limit = MAX_UNPACKED
    try:
        for piece in _inflated(data):
            before = len(found)
            found += piece
            if before < HEAD <= len(found) and is_single_file(bytes(found[:HEAD])):
                limit = bytes_needed(bytes(found[:HEAD]))
            if len(found) > limit + CHUNK:
                raise ScanError("the gzip data unpacks to more than its header states; please compress the file again.")
    except zlib.error as error:
        raise ScanError("the gzip data is damaged: please export or copy the file again.") from error
    except EOFError as error:
        raise ScanError("the file is incomplete: please export or copy it again.") from error
    return bytes(found[:limit])


def _inflated(data: bytes) -> Iterator[bytes]:
    """Yield what gzip data holds, piece by piece, one member after the other; what follows the last is passed over."""
    view, at = memoryview(data), 0
    while data.startswith(GZIP, at):
        engine = zlib.decompressobj(16 + zlib.MAX_WBITS)
        given = view[at : at + CHUNK]
        at += len(given)
        while not engine.eof:
            yield engine.decompress(given, CHUNK)
            if engine.eof:
                break
            given = memoryview(engine.unconsumed_tail)
            if not given:
                given = view[at : at + CHUNK]
                at += len(given)
                if not given:
                    raise EOFError
        at -= len(engine.unused_data)


def _members(data: bytes) -> list[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(info.filename, _content(archive, info)) for info in _checked(archive)]
    except (*DAMAGES, OSError) as error:
        raise ScanError(
            "the zip archive is damaged or uses a compression that is not supported; make it again."
        ) from error


def _checked(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise ScanError(f"the archive contains {len(infos):,} files; at most {MAX_MEMBERS:,} are read.")
    for info in infos:
        raw = info.orig_filename.replace("\\", "/")
        if raw.startswith("/") or raw[1:2] == ":" or ".." in raw.split("/") or "\0" in raw.rstrip("\0"):
            raise ScanError("the archive contains a file name that points outside it; make it again.")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ScanError("the archive contains a link instead of a file; make it again with the files themselves.")
        if info.flag_bits & 1:
            raise ScanError("the archive is encrypted; unpack it first.")
    kept = [info for info in infos if not info.is_dir() and not is_leftover(info.filename)]
    if sum(info.file_size for info in kept) > MAX_UNPACKED:
        raise ScanError(f"the archive claims to contain more than {MAX_UNPACKED // 2**20} MB; give one scan at a time.")
    return kept


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read one member without trusting either of the sizes stated for it."""
    limit = min(MAX_UNPACKED, max(SMALL, MOST_GROWTH * max(info.compress_size, 1)))
    parts, total = [], 0
    with archive.open(info) as stream:
        while chunk := stream.read(CHUNK):
            total += len(chunk)
            if total > limit or total > info.file_size:
                raise ScanError("a file in the archive is larger than stated, or than any scan.")
            parts.append(chunk)
    if total != info.file_size:
        raise ScanError("a file in the archive is shorter than stated; make the archive again.")
    return b"".join(parts)
