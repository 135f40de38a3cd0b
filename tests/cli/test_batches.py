"""Many scans in one command: folders of any size, names by the input's own, a table, and one line an error."""

import json
import os
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from core.errors import ScanError
from core.networks.bundle import bundle_names
from core.scans import Scan, read_scan_file
from core.scans.folders import Found, find_scans

from ..conftest import CLASSES, SAMPLES
from ..scans import volumes
from .conftest import Shell


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder of four pictures, two of one name, one broken; and what is no scan."""
    made = tmp_path / "scans"
    for place, name in (("", "first"), ("a", "same"), ("b", "same")):
        (made / place).mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLES / "icbm_template_z08.png", made / place / f"{name}.png")
    (made / "broken.png").write_bytes(b"<html></html>")
    (made / "README.txt").write_text("These are scans.")
    (made / ".hidden.png").write_bytes(b"")
    return made


def test_a_folder_is_predicted_scan_by_scan_with_a_table_and_a_summary(
    shell: Shell, models: Path, folder: Path, tmp_path: Path
) -> None:
    table = tmp_path / "answers.csv"
    status, out, err = shell("predict", folder, "--table", table)
    assert status == 1
    assert err.startswith("stagelens: broken.png: ")
    assert err.count("\n") == 1
    assert "4 scans: 3 " in out
    assert "1 without an answer. 1 file is no scans." in out
    found = pd.read_csv(table)
    assert found["name"].tolist() == ["a_same", "b_same", "first", "broken"]
    assert "this is an HTML page" in found.pop("error").iloc[-1]
    found = found.iloc[:-1]
    assert set(found["answer"]) <= set(CLASSES)
    np.testing.assert_allclose(found[[f"p {name}" for name in CLASSES]].sum(axis=1), 1)
    assert found["p Mild Demented"].nunique() == 1


def test_a_table_of_before_does_not_stay_where_nothing_could_be_read(
    shell: Shell, models: Path, folder: Path, tmp_path: Path
) -> None:
    table = tmp_path / "answers.csv"
    assert shell("predict", folder / "first.png", "--table", table)[0] == 0
    assert shell("predict", folder / "broken.png", "--table", table)[0] == 1
    assert pd.read_csv(table)["name"].tolist() == ["broken"]


def test_what_was_answered_before_somebody_stops_is_printed_and_in_the_table(
    shell: Shell, models: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.cli import batch

    monkeypatch.setattr(batch, "AT_ONCE", 1)
    read, seen = Found.read, []

    def stopped_at_the_second(self: Found, page: int | None = None) -> Scan:
        seen.append(self.name)
        if len(seen) > 1:
            raise KeyboardInterrupt
        return read(self, page)

    monkeypatch.setattr(Found, "read", stopped_at_the_second)
    (folder / "broken.png").unlink()
    status, out, _ = shell("predict", folder, "--table", tmp_path / "t.csv")
    assert status == 130
    assert "a/same.png" in out
    assert pd.read_csv(tmp_path / "t.csv")["name"].tolist() == ["a_same"]


@pytest.mark.parametrize("names", [("a.jpg", "a.png", "a_2.png"), ("a_2.png", "A.png", "a.png", "a_3.png")])
def test_no_two_scans_of_a_folder_are_called_alike(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        shutil.copy(SAMPLES / "icbm_template_z08.png", tmp_path / name)
    called = [one.name.casefold() for one in find_scans([tmp_path]).scans]
    assert len(set(called)) == len(names)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_keeps_nobody_from_an_answer(shell: Shell, models: Path, tmp_path: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    for name in (b"m\xfcller.png", b"two\nlines\x1b[31m.png", b"plain.png"):
        shutil.copy(SAMPLES / "icbm_template_z08.png", os.path.join(os.fsencode(place), name))  # noqa: PTH118
    status, out, err = shell("predict", place, "--table", tmp_path / "t.csv")
    assert (status, err) == (0, "")
    assert "two\\nlines\\x1b[31m.png" in out
    assert len(pd.read_csv(tmp_path / "t.csv", encoding_errors="surrogateescape")) == 3
    assert shell("explain", place, "--out", tmp_path / "out", "--class", "mild demented")[0] == 0
    assert len(list((tmp_path / "out").glob("*-scan.png"))) == 3


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="this system has no links")
def test_folders_behind_links_are_entered_once(tmp_path: Path) -> None:
    there = tmp_path / "elsewhere"
    there.mkdir()
    shutil.copy(SAMPLES / "icbm_template_z08.png", there / "a.png")
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "patient").symlink_to(there)
    (there / "back").symlink_to(tmp_path / "given")
    assert len(find_scans([tmp_path / "given"]).scans) == 1


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="nothing is closed to root")
def test_a_folder_that_cannot_be_entered_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    (error,) = find_scans([tmp_path]).errors
    assert "closed cannot be opened: " in str(error)


def test_a_disc_s_table_of_contents_and_its_reports_are_no_failed_scans(tmp_path: Path) -> None:
    (tmp_path / "DICOMDIR").write_bytes(volumes.dicomdir())
    (tmp_path / "RT1").write_bytes(volumes.structure_set())
    for name, data in volumes.files(volumes.series()).items():
        (tmp_path / name).write_bytes(data)
    found = find_scans([tmp_path])
    assert [len(one.paths) for one in found.scans] == [28]
    assert (found.passed_over, found.errors) == (2, ())


def test_a_header_takes_no_picture_for_its_voxels(tmp_path: Path) -> None:
    pair = volumes.analyze()
    (header,) = [name for name in pair if name.endswith(".hdr")]
    (tmp_path / header).write_bytes(pair[header])
    shutil.copy(SAMPLES / "icbm_template_z08.png", tmp_path / "photo.png")
    shutil.copy(SAMPLES / "icbm_template_z08.png", tmp_path / header.replace(".hdr", ".png"))
    found = find_scans([tmp_path])
    assert [len(one.paths) for one in found.scans] == [1, 1, 1]
    with pytest.raises(ScanError, match=f"{header}: this is a header without its image; give the .img"):
        next(one for one in found.scans if one.paths[0].name == header).read()


def test_each_of_several_given_headers_finds_its_voxels(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name, data in volumes.analyze().items():
            (tmp_path / folder / name).write_bytes(data)
    headers = sorted(tmp_path.glob("*/*.hdr"))
    for one in find_scans(headers).scans:
        np.testing.assert_array_equal(one.read().voxels, volumes.BLOCK)


def test_pictures_of_a_folder_get_what_each_gets_alone(shell: Shell, models: Path, tmp_path: Path) -> None:
    (tmp_path / "some").mkdir()
    for path in sorted(SAMPLES.glob("*.png")):
        shutil.copy(path, tmp_path / "some")
    together = json.loads(shell("predict", tmp_path / "some", "--json")[1])
    assert len(together) == len(list(SAMPLES.glob("*.png")))
    (alone,) = json.loads(shell("predict", tmp_path / "some" / "icbm_marked_z16.png", "--json")[1])
    (same,) = [one for one in together if one["scan"] == alone["scan"]]
    for name in CLASSES:
        assert same["probabilities"][name] == pytest.approx(alone["probabilities"][name], abs=1e-5)


def test_a_table_that_cannot_be_written_is_said_before_the_work(shell: Shell, models: Path, folder: Path) -> None:
    status, out, err = shell("predict", folder, "--table", folder / "nowhere" / "t.csv")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "cannot be written" in err


def test_a_folder_is_explained_with_files_named_by_the_scans(
    shell: Shell, models: Path, folder: Path, tmp_path: Path
) -> None:
    status, out, err = shell("explain", folder, "--out", tmp_path / "out", "--class", "mild demented")
    assert (status, err.count("\n")) == (1, 1)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    for scan in ("first", "a_same", "b_same"):
        assert {f"{scan}-scan.png", f"{scan}-grad-cam-mild-demented.npy"} <= names
    table = pd.read_csv(tmp_path / "out" / "explanations.csv")
    assert table["name"].tolist() == ["a_same", "b_same", "first"]
    assert set(table["explained_class"]) == {"Mild Demented"}
    assert "explanations.csv" in out


def test_a_scan_explained_into_its_own_folder_stays_as_it_was(shell: Shell, models: Path, folder: Path) -> None:
    before = (folder / "first.png").read_bytes()
    assert shell("explain", folder / "first.png", "--out", folder, "--class", "mild demented")[0] == 0
    assert (folder / "first.png").read_bytes() == before
    assert (folder / "first-scan.png").is_file()


def test_a_class_that_there_is_not_is_said_once(shell: Shell, models: Path, folder: Path, tmp_path: Path) -> None:
    status, out, err = shell("explain", folder, "--out", tmp_path / "out", "--class", "severe")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert not (tmp_path / "out").exists()


def test_series_of_a_disc_are_scans_of_their_own_in_whatever_folders_they_lie(tmp_path: Path) -> None:
    first, second = volumes.series(), volumes.series(volumes.BLOCK + 3, SeriesInstanceUID="1.2.9")
    for number, one in enumerate([*first, *second]):
        place = tmp_path / "disc" / f"D{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"IM{number:03d}").write_bytes(volumes.dicom_bytes(one))
    (tmp_path / "disc" / "VIEWER.EXE").write_bytes(b"MZ")
    found = find_scans([tmp_path / "disc"])
    assert [len(one.paths) for one in found.scans] == [28, 28]
    assert found.passed_over == 1
    for one, block in zip(found.scans, (volumes.BLOCK, volumes.BLOCK + 3), strict=True):
        np.testing.assert_array_equal(one.read().voxels, block)
    assert len({one.name for one in found.scans}) == 2


def test_a_folder_holds_any_number_of_files_and_headers_find_their_voxels(tmp_path: Path) -> None:
    for number in range(5_050):
        (tmp_path / f"{number}.log").touch()
    for name, data in volumes.analyze().items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "head.nii.gz").write_bytes(volumes.gzip.compress(volumes.nifti()))
    found = find_scans([tmp_path])
    assert found.passed_over == 5_050
    assert {one.name: len(one.paths) for one in found.scans} == {"OAS1_mpr": 2, "head": 1}
    for one in found.scans:
        np.testing.assert_array_equal(one.read().voxels, volumes.BLOCK)


@pytest.mark.skipif(not bundle_names(), reason="no model in models/")
def test_flip_turns_pictures_over_before_they_are_read(shell: Shell, tmp_path: Path) -> None:
    picture = read_scan_file(SAMPLES / "icbm_template_z16.png").picture()
    cv2.imwrite(str(tmp_path / "up.png"), picture[::-1])
    _, out, _ = shell("predict", tmp_path / "up.png")
    assert "the front of the head is at the top" in out
    assert "--flip turns it over" in out
    _, out, _ = shell("predict", tmp_path / "up.png", "--flip", "--json")
    (answer,) = json.loads(out)
    assert not answer["rejected"]
    assert any("turned over as you asked" in warning for warning in answer["warnings"])
    assert shell("explain", tmp_path / "up.png", "--out", tmp_path / "out", "--flip")[0] == 0
