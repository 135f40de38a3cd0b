"""A cohort uploaded as one zip file, unpacked without trusting anything in it."""

import hashlib
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO

from filelock import FileLock

from core.cohorts.layout import visible_folders
from core.errors import CohortError
from core.files import replacing_folder
from core.scans.archives import DAMAGES

MAX_FILES, MAX_TOTAL = 200_000, 4 << 30
COPY = 1 << 20
LEFTOVERS = ("__MACOSX/", ".DS_Store", "Thumbs.db")


def unpack_cohort(stream: IO[bytes], into: Path) -> Path:
    """Unpack a zip file of class folders, once, into a folder named after its content.

    Args:
        stream: The zip file, seekable.
        into: Where to create the folder.

    Returns:
        The folder that contains the class folders; if the zip holds a single folder, the one inside it.

    Raises:
        CohortError: It is not a zip file, is encrypted or damaged, would be too large, or points outside the folder.
    """
    digest = hashlib.sha256()
    for block in iter(lambda: stream.read(COPY), b""):
        digest.update(block)
    stream.seek(0)
    target = into / f"cohort-{digest.hexdigest()[:12]}"
    into.mkdir(parents=True, exist_ok=True)
    with FileLock(into / f".{target.name}.lock"):  # it may be uploaded twice at once
        if not target.exists():
            _unpack(stream, target)
    folder = target
    while len(children := visible_folders(folder)) == 1 and not any(path.is_file() for path in folder.iterdir()):
        folder = children[0]
    return folder


def _unpack(stream: IO[bytes], target: Path) -> None:
    try:
        with replacing_folder(target) as unfinished, zipfile.ZipFile(stream) as archive:
            _extract(archive, unfinished)
    except (*DAMAGES, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk, not the zip file; bzip2 gives no number
            raise
        reason = str(error).splitlines() or [type(error).__name__]
        raise CohortError(f"this is not a zip file that can be unpacked: {reason[0]}.") from error


def _extract(archive: zipfile.ZipFile, target: Path) -> None:
    members = [info for info in archive.infolist() if not info.is_dir() and not _is_leftover(info.filename)]
    if len(members) > MAX_FILES:
        raise CohortError(f"the zip file holds {len(members):,} files; at most {MAX_FILES:,} are read.")
    if not members:
        raise CohortError("the zip file holds no files.")
    total = 0
    for info in members:
        inside = PurePosixPath(info.filename.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts or ":" in inside.parts[0]:
            raise CohortError(f"the zip file contains a path that points outside its folder ({info.filename[:80]!r}).")
        if info.flag_bits & 1:
            raise CohortError("the zip file is encrypted; unpack it yourself and give the folder.")
        path = target.joinpath(*inside.parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, path.open("wb") as sink:
            while block := source.read(COPY):  # the stated size is not trusted
                total += len(block)
                if total > MAX_TOTAL:
                    raise CohortError(f"the zip file unpacks to more than {MAX_TOTAL >> 30} GB.")
                sink.write(block)


def _is_leftover(name: str) -> bool:
    return any(name.startswith(left) or name.endswith(left) for left in LEFTOVERS)
