"""Scans in folders of any size: which files make up one scan is told by their first bytes; they are read one by one."""

import gzip
import io
import itertools
import os
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import ScanError, Unopened, why_refused
from core.files import check_file
from core.scans.archives import GZIP, is_archive, is_leftover
from core.scans.dicom.image import Belongs, series_of
from core.scans.dicom.mixed import parted
from core.scans.names import display_name, printable
from core.scans.reading import belonging, is_single, may_need_others, read_files, read_scan, read_scan_file
from core.scans.scan import Scan
from core.words import first_free

HEAD = 64 * 1024  # bytes that tell a format
# Files so called are meant to be scans: one that is none is named, others in a folder are passed over.
MEANT = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".dcm", ".nii", ".gz", ".mgz", ".mgh", ".mnc"),
    *(".hdr", ".img", ".head", ".brik", ".par", ".rec", ".mha", ".mhd", ".nrrd", ".nhdr", ".mif", ".zip"),
)


@dataclass(frozen=True)
class Found:
    """The files of one scan.

    Attributes:
        name: What the input is called, without folder and ending; with folders in front where two are called alike.
        paths: Its files.
        alone: Whether it was given by its own path, so that its header or voxels may lie beside it.
    """

    name: str
    paths: tuple[Path, ...]
    alone: bool = False

    @property
    def shown(self) -> str:
        """The first file, and how many more there are."""
        first = printable(self.paths[0].as_posix())
        return first if len(self.paths) == 1 else f"{first} and {len(self.paths) - 1} more"

    def read(self, page: int | None = None) -> Scan:
        """Read it; arguments and errors as for `core.scans.read_scan`."""
        if self.alone:
            return read_scan_file(self.paths[0], page=page)
        return read_scan(read_files(self.paths), page=page)


@dataclass(frozen=True)
class Listing:
    """What was found in files and folders.

    Attributes:
        scans: In the order they were given; of a folder, of their names.
        passed_over: How many files in folders are no scans, and are not called like one.
        errors: Of files that cannot be opened, or are called like scans and are none.
    """

    scans: tuple[Found, ...]
    passed_over: int
    errors: tuple[ScanError, ...]


def find_scans(paths: Iterable[Path]) -> Listing:
    """Find the scans among files and in folders, at any depth, without reading more than their first bytes.

    DICOM files of one series are one scan, in whatever folders they lie.

    Args:
        paths: Files and folders, as a person gave them.

    Returns:
        The scans, none read yet. A file given by itself is one even where its first bytes tell nothing.
    """
    given = [Path(path) for path in paths]
    errors: list[Unopened] = []
    heads: dict[str, bytes] = {}
    asked = set()
    for path in given:
        files = sorted(_inside(path, errors)) if path.is_dir() else [path]
        if not path.is_dir():
            asked.add(path.as_posix())
        for file in files:
            try:
                heads[file.as_posix()] = _head(file)
            except (OSError, ValueError) as error:
                errors.append(_unopened(str(file), error))
    groups: list[tuple[str, ...]] = []
    passed_over = 0
    for reader, names in belonging(heads):
        if reader is not None and reader.of_discs:
            series, others = _series(names, asked)
            groups += series
            passed_over += others
        elif reader is not None or is_archive(heads[names[0]]) or names[0] in asked or _is_meant(names[0]):
            groups.append(names)
        else:
            passed_over += 1
    found = [tuple(map(Path, names)) for names in groups]
    named = [
        Found(name, files, len(files) == 1 and files[0].as_posix() in asked)
        for name, files in zip(_names(found, given), found, strict=True)
    ]
    return Listing(tuple(named), passed_over, tuple(errors))


def each_scan(folder: Path, errors: list[Unopened]) -> Iterator[Found]:
    """Yield the scans of an archive of any size, folder by folder, in the order of their names.

    As `find_scans`, but what is kept in memory does not grow with the archive: a series of DICOM files is looked for
    within one folder, and a scan is called by its path.

    Args:
        folder: The archive.
        errors: Takes what cannot be opened.
    """
    for files in _by_folder(_inside(folder, errors)):
        heads: dict[str, bytes] = {}
        for file in files:
            try:
                head = _head(file)
            except (OSError, ValueError) as error:
                errors.append(_unopened(str(file), error))
                continue
            if is_single(head):
                yield Found(printable(file.relative_to(folder).as_posix()), (file,))
            else:
                heads[file.as_posix()] = head if may_need_others(head) else b""
        for reader, names in belonging(heads):
            groups = [names]
            if reader is not None and reader.of_discs:
                groups, _ = _series(names, ())
            elif reader is None and not _is_meant(names[0]):
                continue
            for group in groups:
                yield Found(printable(Path(group[0]).relative_to(folder).as_posix()), tuple(map(Path, group)))


def _by_folder(files: Iterator[Path]) -> Iterator[list[Path]]:
    """Group files, which come folder by folder, by their folder; sorted within it."""
    for _, group in itertools.groupby(files, lambda file: file.parent):
        yield sorted(group)


def _unopened(name: str, error: OSError | ValueError) -> Unopened:
    reason = why_refused(error) if isinstance(error, OSError) else "not a usable file name"
    return Unopened(f"{display_name(name)} cannot be opened: {reason}.", name)


def _inside(folder: Path, errors: list[Unopened]) -> Iterator[Path]:
    """Yield the files in a folder, links followed, without those that operating systems leave behind.

    A folder that cannot be entered is one more error.
    """
    visited = set()
    for root, folders, files in os.walk(
        folder, onerror=lambda error: errors.append(_unopened(str(error.filename), error)), followlinks=True
    ):
        state = Path(root).stat()
        if (state.st_dev, state.st_ino) in visited:  # a link leads back
            folders.clear()
            continue
        visited.add((state.st_dev, state.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not is_leftover(name))
        for name in files:
            if not name.startswith(".") and not is_leftover(name):
                yield Path(root) / name


def _head(path: Path) -> bytes:
    """Return a file's first bytes, of a gzip file those of what is in it; a pipe or a device is an OSError."""
    check_file(path)
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    if not head.startswith(GZIP):
        return head
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(head)).read1(HEAD) or head
    except (OSError, EOFError, zlib.error):
        return head


def _series(names: Sequence[str], asked: Collection[str]) -> tuple[list[tuple[str, ...]], int]:
    """Divide DICOM files into series by their headers; a file without one stays alone.

    Files that do not name their series are of one if they lie in one folder. Tables of contents and reports are passed
    over.

    Returns:
        The series, and how many files were passed over.
    """
    found: dict[object, list[tuple[str, Belongs | None]]] = {}
    passed_over = 0
    for name in names:
        told = series_of(Path(name))
        if told is not None and not told.is_image and name not in asked:
            passed_over += 1
            continue
        key = name if told is None else (told.series, "" if told.identified else Path(name).parent)
        found.setdefault(key, []).append((name, told))
    series: list[tuple[str, ...]] = []
    for files in found.values():
        along = [None if told is None else told.along for _, told in files]
        own = [name for name, _ in files]
        series += map(tuple, parted(own, along, [Path(name).parent for name in own]))
    return series, passed_over


def _is_meant(name: str) -> bool:
    return name.lower().endswith(MEANT)


def _names(found: Sequence[tuple[Path, ...]], given: Sequence[Path]) -> list[str]:
    """Name each scan by its file, a series by its folder; folders are put in front of names that two would have."""
    places = Counter(files[0].parent for files in found if len(files) > 1)
    chosen = []
    for files in found:
        several = len({_stem(file) for file in files}) > 1
        path = files[0].parent if several and places[files[0].parent] == 1 else files[0]
        chosen.append(path)
    stems = [_stem(path) for path in chosen]
    often = Counter(stems)
    longer = [
        stem if often[stem] == 1 else "_".join((*_within(path.parent, given), stem))
        for stem, path in zip(stems, chosen, strict=True)
    ]
    taken = {name.casefold() for name in longer}
    used: set[str] = set()
    names = []
    for name in longer:
        free = name if name.casefold() not in used else first_free(name, lambda one: one.casefold() in taken)
        used.add(name.casefold())
        taken.add(free.casefold())
        names.append(free)
    return names


def _within(folder: Path, given: Sequence[Path]) -> tuple[str, ...]:
    """Return the folders between what was given and a file."""
    root = next((one for one in given if folder.is_relative_to(one)), None)
    return folder.relative_to(root).parts if root is not None else folder.parts[-1:]


def _stem(path: Path) -> str:
    """Return a file's name without its ending; a name without a known ending stays whole."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    name = "".join(one if one.isprintable() else "_" for one in name)
    stem, dot, ending = name.rpartition(".")
    return stem if dot and stem and f".{ending.lower()}" in MEANT else (name or "scan")
