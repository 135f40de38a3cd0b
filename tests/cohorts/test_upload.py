import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core.cohorts.upload import unpack_cohort
from core.errors import CohortError, ScanError
from core.scans.archives import unpacked


def zipped(files: dict[str, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # no hour, so always the same bytes
    stream.seek(0)
    return stream


def test_a_zip_is_unpacked_once_and_its_only_folder_is_the_cohort(tmp_path: Path) -> None:
    files = {"set/Non/a.png": b"1", "set/Mild/b.png": b"2", "__MACOSX/set/._a.png": b"x", "set/.DS_Store": b"x"}
    folder = unpack_cohort(zipped(files), tmp_path)
    assert folder.name == "set"
    assert sorted(path.name for path in folder.rglob("*")) == ["Mild", "Non", "a.png", "b.png"]
    (folder / "Non" / "a.png").write_bytes(b"touched")
    assert unpack_cohort(zipped(files), tmp_path) == folder
    assert (folder / "Non" / "a.png").read_bytes() == b"touched"


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "C:/evil.png", "..\\evil.png"])
def test_nothing_is_written_outside_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="outside its folder"):
        unpack_cohort(zipped({"Non/a.png": b"1", name: b"2"}), tmp_path / "in")
    assert not list(tmp_path.rglob("*.png"))


def test_what_is_not_a_zip_or_too_large_is_rejected_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream, said in (
        (io.BytesIO(b"no zip at all"), "not a zip file"),
        (io.BytesIO(zipped({"a/b.png": b"1" * 500}).getvalue()[:-40]), "not a zip file"),
        (zipped({}), "holds no files"),
    ):
        with pytest.raises(CohortError, match=said):
            unpack_cohort(stream, tmp_path)
    monkeypatch.setattr("core.cohorts.upload.MAX_TOTAL", 100)
    with pytest.raises(CohortError, match="unpacks to more"):
        unpack_cohort(zipped({"a/b.png": b"1" * 101}), tmp_path)
    monkeypatch.setattr("core.cohorts.upload.MAX_FILES", 1)
    with pytest.raises(CohortError, match="2 files"):
        unpack_cohort(zipped({"a/b.png": b"1", "a/c.png": b"1"}), tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_is_one_line_whatever_it_is_packed_with(tmp_path: Path, method: int) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("Non/a.png", np.random.default_rng(0).bytes(4000))
    data = bytearray(stream.getvalue())
    data[60:3000] = b"\xff" * 2940
    with pytest.raises(CohortError, match=r"not a zip file that can be unpacked: .+"):
        unpack_cohort(io.BytesIO(bytes(data)), tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]
    with pytest.raises(ScanError, match="archive is damaged"):
        unpacked("scan.zip", bytes(data))


def test_a_name_that_is_no_utf_8_is_one_line(tmp_path: Path) -> None:
    data = zipped({"Non/\u00e4.png": b"1"}).getvalue().replace("\u00e4".encode(), b"\xff\xfe")
    with pytest.raises(CohortError, match="not a zip file that can be unpacked"):
        unpack_cohort(io.BytesIO(data), tmp_path)
    with pytest.raises(ScanError, match="archive is damaged"):
        unpacked("scan.zip", data)


def test_the_same_archive_four_times_at_once_is_unpacked_once(tmp_path: Path) -> None:
    data = zipped({f"Non/{number}.png": bytes(5000) for number in range(200)}).getvalue()
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: unpack_cohort(io.BytesIO(data), tmp_path), range(4)))
    (folder,) = folders
    assert len(list(folder.rglob("*.png"))) == 200
