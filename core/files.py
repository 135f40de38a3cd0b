"""Where the project lies, and files that appear whole or not at all: a kill at any moment leaves the old or the new."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from core.errors import StageLensError, shortened

if TYPE_CHECKING:
    import pandas as pd

PROJECT = Path(__file__).resolve().parents[1]
UNFINISHED = ".unfinished-"  # in front of a name, so that its suffix still says what it is
AS_NAMED = "surrogateescape"  # file names that are no UTF-8 are written as they are named
_turns: dict[Path, threading.Lock] = {}  # a name is written by one thread at a time


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; at the end of the block that file is on disk and replaces `path`.

    Where the block fails, `path` stays as it was and nothing is left beside it.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file that could be replaced", str(path))
    with _turns.setdefault(path.absolute(), threading.Lock()):
        unfinished = path.with_name(UNFINISHED + path.name)
        try:
            yield unfinished
            with unfinished.open("rb+") as stream:
                os.fsync(stream.fileno())
            unfinished.replace(path)
        except OSError as error:
            if error.filename in (None, str(unfinished)):
                error.filename = str(path)
            raise
        finally:
            with contextlib.suppress(OSError):  # it could not be made either, and that is what is said
                unfinished.unlink()


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder` to fill; at the end of the block it replaces `folder`."""
    with _turns.setdefault(folder.absolute(), threading.Lock()):
        unfinished = folder.with_name(UNFINISHED + folder.name)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            yield unfinished
            shutil.rmtree(folder, ignore_errors=True)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", errors=AS_NAMED)


def write_json(path: Path, values: Any) -> None:
    """Write plain values as JSON, whole or not at all.

    Raises:
        ValueError: A value is NaN or infinite; `core.plain.plain` turns these into null.
    """
    write_text(path, json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV without its index, whole or not at all."""
    with replacing(path) as unfinished:
        table.to_csv(unfinished, index=False, errors=AS_NAMED)


def read_file(path: Path) -> bytes:
    """Read a file.

    Raises:
        OSError: It cannot be opened, or it is a pipe or a device, which might never begin or never end.
    """
    check_file(path)
    return path.read_bytes() if path.stat().st_size else b""  # what the system makes up has no size, and may never end


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        OSError: As for `check_file`.
    """
    check_file(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_file(path: Path) -> None:
    """See that a path is a file, before it is opened by a library.

    Raises:
        OSError: As for `read_file`.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = "it is a folder" if stat.S_ISDIR(mode) else "it is a pipe or a device, not a file"
        raise OSError(errno.EINVAL, kind, str(path))


def typed_path(text: str) -> Path:
    """Return the path that a person typed; ~ is their home.

    Raises:
        StageLensError: There is no such home, or the text is no path.
    """
    try:
        path = Path(text.strip()).expanduser()
        os.fspath(path).encode(sys.getfilesystemencoding())
    except (RuntimeError, UnicodeEncodeError) as error:
        raise StageLensError(f"{shortened(text.strip())!r} is no path here: give one that begins with /.") from error
    if "\0" in text:
        raise StageLensError("a path holds no character zero; type it anew.")
    return path


def stamp(path: Path) -> str:
    """Return a text that is another one whenever a file has changed, or any file at any depth of a folder.

    It looks at names, sizes, times and inodes and opens nothing, so it is a key for what this machine remembers of the
    files; it says nothing of their content, and a copy of them has another.
    """
    found = xxhash.xxh3_128()
    for file in [path] if path.is_file() else files_below(path):
        try:
            state = file.stat()
        except OSError:  # a link that leads nowhere, or the file has just gone
            continue
        name = "" if file == path else file.relative_to(path).as_posix()
        found.update(f"{name}\0{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino}\n".encode())
    return str(found.hexdigest())


def files_below(folder: Path) -> Iterator[Path]:
    """List every file at any depth of a folder in a fixed order, links followed; none where there is no such folder.

    Files that are just being written are left out.
    """
    visited = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        state = Path(here).stat()
        if (state.st_dev, state.st_ino) in visited:  # a link leads back
            folders.clear()
            continue
        visited.add((state.st_dev, state.st_ino))
        folders.sort()
        yield from (Path(here, name) for name in sorted(names) if not name.startswith(UNFINISHED))


def read_json(path: Path) -> Any:
    """Read a JSON file; None where there is none or it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
