"""Reading: the single entry point from bytes to a Scan."""

import functools
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import ChoiceNeeded, ScanError, StageLensError
from core.files import read_file
from core.registry import collect
from core.scans.archives import GZIP, is_archive, is_leftover, unpacked
from core.scans.names import display_name
from core.scans.reader import Reader
from core.scans.scan import Scan
from core.words import either

MAX_BYTES = 100 * 1024 * 1024  # of one file
MAX_TOTAL = 400 * 1024 * 1024  # of all files of a scan
MAX_FILES = 5_000
TOO_MUCH = f"more than {MAX_TOTAL // 2**20} MB in all; give one scan at a time."
NAMED = 3  # up to this many skipped files are named; more are counted
# What else people upload, recognised by its first bytes.
OTHER_FORMATS = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "PostScript"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"RIFF", "a RIFF file, such as sound or a film"),
    (b"mrtrix image", "an MRtrix image (.mif); convert it with mrconvert scan.mif scan.nii.gz"),
    (b"TRACK", "a file of fibre tracts (.trk)"),
    (b"\xff\xff\xfe", "a FreeSurfer surface"),
    (b"\x89HDF", "an HDF5 file"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
    (b"\x80\x04", "a Python pickle"),
)
# How the headers of files are called whose own names end so.
HEADER_ENDINGS = {".img": (".hdr",), ".brik": (".HEAD",), ".rec": (".PAR",), ".raw": (".mhd", ".nhdr"),
                  ".zraw": (".mhd",)}  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Group:
    """Files that make up one scan together, and their reader; None for a file that is not a scan."""

    reader: Reader | None
    files: dict[str, bytes]


@functools.cache
def readers() -> tuple[Reader, ...]:
    """Return every file format that can be read, in the order they are tried."""
    return collect("core.scans.formats", "READER", Reader)


def read_scan(files: Mapping[str, bytes], *, page: int | None = None) -> Scan:
    """Read one scan from the bytes of its files; the content decides the format, never the names.

    Args:
        files: File name to content: a picture, a volume, a header with its image, a DICOM series in any order, or a zip
            archive of these.
        page: Which page, volume, series or scan if there are several, counted from 1.

    Returns:
        The scan, named after its content. File names appear only in the text of errors and warnings.

    Raises:
        ChoiceNeeded: There are several and none was chosen.
        ScanError: The content is not a scan; the message says what it is and what is accepted.
    """
    shown = display_name(next(iter(files), "")) + (f" and {len(files) - 1} more" if len(files) > 1 else "")
    try:
        return _read(files, page)
    except ChoiceNeeded as error:
        raise ChoiceNeeded(f"{shown}: {error}", error.choices, error.likely) from error
    except ScanError as error:
        raise ScanError(f"{shown}: {error}") from error


def read_slice(files: Mapping[str, bytes]) -> Scan:
    """Read one image as `read_scan` does, for tasks that take single slices only.

    Raises:
        ScanError: It is not a scan, or it is a volume.
    """
    scan = read_scan(files)
    if scan.is_volume:
        shown = display_name(next(iter(files)))
        raise ScanError(f"{shown}: this is a volume, but a slice is needed; cut it into slices with preprocess.")
    return scan


def read_scan_file(path: str | Path, *, page: int | None = None) -> Scan:
    """Read one scan from disk: a file, a header with its image next to it, or a folder of files.

    Raises:
        ChoiceNeeded: There are several and none was chosen.
        ScanError: There is no such file, it cannot be opened, or it is not a scan.
    """
    path = Path(path)
    files = read_files([path])
    if len(files) == 1:
        files |= read_files(_beside(path, next(iter(files.values()))))
    return read_scan(files, page=page)


def read_files(paths: Iterable[str | Path]) -> dict[str, bytes]:
    """Read files, and all files in folders, as `read_scan` and `separate_scans` take them.

    Raises:
        ScanError: One of them cannot be opened, or there are too many of them.
    """
    files: dict[str, bytes] = {}
    total = 0
    for path in map(Path, paths):
        try:
            found = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
            if len(files) + len(found) > MAX_FILES:
                raise ScanError(
                    f"{display_name(str(path))} holds {len(found):,} files; at most {MAX_FILES:,} are read."
                )
            for item in found:
                size = item.stat().st_size
                total += size
                if size > MAX_BYTES:
                    raise ScanError(f"{display_name(item.name)}: {_too_large(size)}")
                if total > MAX_TOTAL:
                    raise ScanError(f"{display_name(str(path))}: {TOO_MUCH}")
                files[item.as_posix()] = read_file(item)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a usable file name"
            raise ScanError(f"{display_name(str(path))} cannot be opened: {reason}.") from error
    return files


def separate_scans(files: Mapping[str, bytes]) -> list[dict[str, bytes]]:
    """Group files given together into scans: each picture or volume alone, headers with images, DICOM files together.

    Args:
        files: File name to content.

    Returns:
        One mapping per scan, in the order of their first files. A file that is not a scan stays alone, so that it
        gets its own error; but among DICOM files it came from the same disc, and is skipped with a note as in a zip.
    """
    if len(files) < 2:
        return [dict(files)]
    groups = _groups(files)
    disc = next((one for one in groups if one.reader is not None and one.reader.of_discs), None)
    if disc is None:
        return [group.files for group in groups]
    beside = [one for one in groups if one.reader is None and not any(map(is_archive, one.files.values()))]
    for group in beside:
        disc.files.update(group.files)
    return [group.files for group in groups if group not in beside]


def _read(files: Mapping[str, bytes], choice: int | None) -> Scan:
    groups = _groups(_opened(files))
    scans = [group for group in groups if group.reader is not None]
    others = [name for group in groups if group.reader is None for name in group.files]
    if not scans:
        raise ScanError(_rejection(groups))
    if len(scans) > 1:
        if choice is None:
            names = tuple(_described(group) for group in scans)
            raise ChoiceNeeded(f"there are {len(scans)} scans; choose one from 1 to {len(scans)}.", names)
        if choice > len(scans):
            raise ScanError(f"there are {len(scans)} scans, so there is no scan {choice}.")
        scan = _read_group(scans[choice - 1], None)
    else:
        scan = _read_group(scans[0], choice)
    return scan.with_warnings(*_skipped(others))


def _rejection(groups: list[_Group]) -> str:
    """Say why none of these files is a scan."""
    files = {name: data for group in groups for name, data in group.files.items()}
    name, data = next(iter(files.items()))
    headers = HEADER_ENDINGS.get(_split_name(name)[1])
    if len(files) == 1 and headers:
        return f"this is an image without its header; give the {either(headers)} file with it."
    if len(files) == 1 and not data:
        return "this file is empty."
    found = f"this is {_kind(data)}" if len(files) == 1 else "none of them is a scan"
    accepted = ", ".join(reader.name for reader in readers())
    return f"{found}; accepted formats are {accepted}, also gzipped or zipped."


def _opened(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Check sizes, and unpack what is packed."""
    opened: dict[str, bytes] = {}
    for name, data in files.items():
        if len(data) > MAX_BYTES:
            raise ScanError(_too_large(len(data)))
        if data and name.lower().endswith(".gz") and not data.startswith(GZIP):
            raise ScanError("named .gz but not compressed; if it was unpacked already, remove .gz from its name.")
        if not is_archive(data) or (len(files) > 1 and not data.startswith(GZIP)):
            opened[name] = data
            continue
        opened |= unpacked(name, data)
    if len(opened) > 1:
        opened = {name: data for name, data in opened.items() if not is_leftover(name)} or opened
    if not opened:
        raise ScanError("no file was given.")
    if sum(map(len, opened.values())) > MAX_TOTAL:
        raise ScanError(TOO_MUCH)
    return opened


def _too_large(size: int) -> str:
    return f"{size / 2**20:.0f} MB is too large; at most {MAX_BYTES // 2**20} MB are read. Compress it, as .nii.gz is."


def _groups(files: Mapping[str, bytes]) -> list[_Group]:
    groups: dict[str, _Group] = {}
    left = dict(files)
    found = {name: _reader_of(data) for name, data in files.items()}
    headers = {name: reader for name, reader in found.items() if reader is not None and reader.beside is not None}
    for name, reader in headers.items():
        image = _image_of(name, reader, left, found)
        members = {key: left.pop(key) for key in (name, image) if key is not None}
        groups[name] = _Group(reader, members)
    together: dict[str, _Group] = {}
    for name, data in left.items():
        one = found[name]
        if one is not None and one.read_several is not None and one.name in together:
            together[one.name].files[name] = data
            continue
        groups[name] = _Group(one, {name: data})
        if one is not None and one.read_several is not None:
            together[one.name] = groups[name]
    order = {name: index for index, name in enumerate(files)}
    return sorted(groups.values(), key=lambda group: min(order[name] for name in group.files))


def belonging(heads: Mapping[str, bytes]) -> list[tuple[Reader | None, tuple[str, ...]]]:
    """Group files into scans by their first bytes alone, as `separate_scans` does with whole files.

    Args:
        heads: File name to its first bytes; 64 KB are enough for every header.

    Returns:
        The reader of each scan, None for a file that is not one, and the files it is made of.
    """
    return [(group.reader, tuple(group.files)) for group in _groups(heads)]


def is_single(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a scan by itself, or an archive of one."""
    if is_archive(head):
        return True
    reader = _reader_of(head)
    return reader is not None and reader.beside is None and reader.read_several is None


def may_need_others(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a header, or one of a series; else it may be what belongs to one."""
    return _reader_of(head) is not None


def _reader_of(data: bytes) -> Reader | None:
    return next((reader for reader in readers() if reader.matches(data)), None)


def _image_of(
    header: str, reader: Reader, files: Mapping[str, bytes], found: Mapping[str, Reader | None]
) -> str | None:
    """Find the voxels that belong to a header: by their name, in the same folder, or as the only other file.

    What can be read by itself is no file of voxels.
    """
    assert reader.beside is not None  # noqa: S101 - only of headers
    folder, name = posixpath.split(header.replace("\\", "/"))
    wanted = [_last(one).casefold() for one in reader.beside(_split_name(name)[0], files[header])]
    if not wanted:
        return None
    others = [one for one in files if found[one] is None]
    for one in others:
        place, other = posixpath.split(one.replace("\\", "/"))
        if place == folder and {other.casefold(), other.casefold().removesuffix(".gz")} & set(wanted):
            return one
    same = [
        one for one in others if _split_name(one.replace("\\", "/"))[0] == _split_name(header.replace("\\", "/"))[0]
    ]
    if same:
        return same[0]
    return others[0] if len(files) == 2 and others else None


def _split_name(name: str) -> tuple[str, str]:
    """Split a name into what stands before its ending and the ending in small letters; that of .gz is no ending."""
    stem, ending = posixpath.splitext(name[:-3] if name.lower().endswith(".gz") else name)
    return stem, ending.lower()


def _last(name: str) -> str:
    """Return the last part of a path, however it is written: a header leads to no other folder."""
    return posixpath.basename(name.replace("\\", "/"))


def _read_group(group: _Group, choice: int | None) -> Scan:
    reader = group.reader
    assert reader is not None  # noqa: S101 - groups without a reader are sorted out before
    if not reader.has_pages and choice not in {None, 1}:
        raise ScanError(f"this picture has one page, so there is no page {choice}.")
    try:
        if reader.read_several is not None and len(group.files) > 1:
            return reader.read_several(group.files, choice)
        return reader.read(next(iter(group.files.values())), choice)
    except StageLensError:
        raise
    except Exception as error:  # whatever a third-party decoder stumbles over, one file never ends the others
        raise ScanError(f"the {reader.name} data is damaged, or of a kind that cannot be read.") from error


def _described(group: _Group) -> str:
    assert group.reader is not None  # noqa: S101 - groups without a reader are sorted out before
    first = display_name(next(iter(group.files)))
    count = len(group.files)
    return f"{group.reader.name}: {first}" + (f" and {count - 1} more" if count > 1 else "")


def _skipped(others: list[str]) -> list[str]:
    """Name the files that were skipped, or count them."""
    if len(others) > NAMED:
        return [f"{len(others)} files that are not scans were skipped."]
    return [f"{display_name(name)} was skipped: it is not a scan." for name in others]


def _beside(path: Path, data: bytes) -> list[Path]:
    """Return the file that belongs to one of the two of a scan, the voxels of a header or the header of voxels."""
    reader = _reader_of(data)
    if reader is not None and reader.beside is None:
        return []
    stem, _ = _split_name(path.name)
    if reader is not None and reader.beside is not None:
        wanted = reader.beside(stem, data)
    else:
        wanted = tuple(stem + ending for ending in HEADER_ENDINGS.get(_split_name(path.name)[1], ()))
    names = {name.casefold() for one in wanted for name in (_last(one), f"{_last(one)}.gz")}
    try:
        there = sorted(one for one in path.parent.iterdir() if one.name.casefold() in names and one != path)
    except OSError:
        return []
    return [one for one in there if one.is_file()][:1]


def _kind(data: bytes) -> str:
    """Say in words what these bytes are."""
    if data[128:132] == b"DICM":
        return "DICOM"
    for magic, name in OTHER_FORMATS:
        if data.startswith(magic):
            return name
    head = data[:512].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if all(byte >= 32 or byte in b"\t\r\n\f" for byte in data[:512]):
        return "text"
    return "data of an unknown kind"
