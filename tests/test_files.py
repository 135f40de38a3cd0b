"""What this machine remembers of files is asked for by a stamp that another content, anywhere below, changes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.files import UNFINISHED, stamp


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/1.png", "a/deep/2.png", "b/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"before")
    return tmp_path


def replaced_with_its_old_size_and_time(folder: Path) -> None:
    file = folder / "a" / "deep" / "2.png"
    state = file.stat()
    file.write_bytes(b"behind")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file written anew": lambda folder: (folder / "a" / "deep" / "2.png").write_bytes(b"after it"),
    "a file replaced, size and time as before": replaced_with_its_old_size_and_time,
    "a file more": lambda folder: (folder / "b" / "4.png").write_bytes(b"new"),
    "a file less": lambda folder: (folder / "b" / "3.png").unlink(),
    "a file moved": lambda folder: (folder / "b" / "3.png").rename(folder / "a" / "3.png"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_any_change_at_any_depth_changes_the_stamp_of_a_folder(folder: Path, change: Callable[[Path], object]) -> None:
    before = stamp(folder)
    assert stamp(folder) == before
    change(folder)
    assert stamp(folder) != before


def test_what_is_just_being_written_and_links_in_circles_do_not_disturb_a_stamp(folder: Path) -> None:
    before = stamp(folder)
    (folder / "a" / f"{UNFINISHED}5.png").write_bytes(b"half")
    assert stamp(folder) == before
    (folder / "a" / "round").symlink_to(folder)
    assert stamp(folder) == before
    assert stamp(folder / "nowhere") == stamp(folder / "b" / "nowhere")


def test_the_stamp_of_a_file_is_its_own(folder: Path) -> None:
    one = folder / "a" / "1.png"
    before = stamp(one)
    (folder / "b" / "3.png").write_bytes(b"another")
    assert stamp(one) == before
    one.write_bytes(b"another")
    assert stamp(one) != before
