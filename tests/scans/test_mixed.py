"""Images that claim to be one series and are not: they are told apart, or nobody is given an answer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import ChoiceNeeded, ScanError
from core.scans import read_scan
from core.scans.contrast.file_says import doubts_of_file
from core.scans.folders import find_scans

from . import volumes

IDENTITY = ("PatientName", "PatientID", "SeriesInstanceUID", "StudyInstanceUID", "SOPInstanceUID")


def two_people(*, shift: float = 0.0, **same: str) -> dict[str, bytes]:
    """Two series in two folders, with the same identity, or without any."""
    found = {}
    for folder, block in (("p1", volumes.BLOCK), ("p2", volumes.BLOCK + 7)):
        for number, one in enumerate(volumes.series(block)):
            for keyword in IDENTITY:
                if keyword in one:
                    delattr(one, keyword)
            for keyword, value in same.items():
                setattr(one, keyword, value)
            if folder == "p2" and shift:
                position = [float(value) for value in one.ImagePositionPatient]
                normal = np.cross(*np.array(one.ImageOrientationPatient, float).reshape(2, 3))
                one.ImagePositionPatient = list(position + shift * normal)
            found[f"{folder}/IM{number:04d}"] = volumes.dicom_bytes(one)
    return found


SAME = {"PatientName": "Anonymous", "PatientID": "0", "SeriesInstanceUID": "1.2.3.4"}


@pytest.mark.parametrize("shift", [0.0, 0.4])
@pytest.mark.parametrize("same", [{}, SAME], ids=["nothing", "the same for all"])
def test_two_people_without_identity_are_two_scans(same: dict[str, str], shift: float, tmp_path: Path) -> None:
    files = two_people(shift=shift, **same)
    with pytest.raises(ChoiceNeeded, match="2 series"):
        read_scan(files)
    blocks = sorted(float(read_scan(files, page=page).voxels.min()) for page in (1, 2))
    assert blocks == [float(volumes.BLOCK.min()), float(volumes.BLOCK.min()) + 7]
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    found = find_scans([tmp_path]).scans
    assert [len(one.paths) for one in found] == [28, 28]
    for one in found:
        assert np.ptp(one.read().voxels) == np.ptp(volumes.BLOCK)


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_two_people_whom_nothing_tells_apart_are_refused(shift: float) -> None:
    mixed = {name.replace("/", ""): data for name, data in two_people(shift=shift, **SAME).items()}
    with pytest.raises(ScanError, match="as if two series or two people were mixed"):
        read_scan(mixed)


def test_two_contrasts_under_one_series_are_two_series() -> None:
    spin = {"ScanningSequence": "SE"}
    t1 = volumes.series(EchoTime=4, RepetitionTime=500, **spin)
    t2 = volumes.series(volumes.BLOCK + 1000, EchoTime=90, RepetitionTime=3000, **spin)
    files = {}
    for number, (one, other) in enumerate(zip(t1, t2, strict=True)):
        files[f"{'ab'[number % 2]}{number}"] = volumes.dicom_bytes(one)
        files[f"{'ba'[number % 2]}{number}x"] = volumes.dicom_bytes(other)
    with pytest.raises(ChoiceNeeded, match="2 series") as question:
        read_scan(dict(sorted(files.items())))
    for page, choice in enumerate(question.value.choices, start=1):
        scan = read_scan(files, page=page)
        assert scan.acquisition is not None
        assert choice.count(scan.acquisition.weighting) == 1
        wanted = volumes.BLOCK + (1000 if scan.acquisition.weighting == "T2" else 0)
        np.testing.assert_array_equal(scan.voxels, wanted)


def test_a_series_in_several_folders_and_with_jittering_times_and_planes_is_one() -> None:
    files = {}
    for number, one in enumerate(volumes.series()):
        one.EchoTime = 4.449 + 0.002 * (number % 2)
        row, column = np.array(one.ImageOrientationPatient, float).reshape(2, 3)
        one.ImageOrientationPatient = [*(row + 1e-6 * (-1) ** number), *column]
        files[f"D{number % 3}/IM{number}"] = volumes.dicom_bytes(one)
    np.testing.assert_allclose(read_scan(files).voxels, volumes.BLOCK, atol=1e-3)


def test_a_series_whose_images_have_one_identifier_is_whole() -> None:
    slices = volumes.series()
    for one in slices:
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    np.testing.assert_array_equal(read_scan(volumes.files(slices)).voxels, volumes.BLOCK)


@pytest.mark.parametrize(
    ("creator", "value", "refused"),
    [("ACME MR", 40, False), ("SIEMENS MR HEADER", 1, False), ("SIEMENS MR HEADER", 36, True)],
)
def test_a_private_tag_is_a_mosaic_s_in_its_vendor_s_block_only(creator: str, value: int, refused: bool) -> None:
    slices = volumes.series()
    for one in slices:
        one.add_new(0x00190010, "LO", creator)
        one.add_new(0x0019100A, "US", value)
    if refused:
        with pytest.raises(ScanError, match="mosaic"):
            read_scan(volumes.files(slices))
    else:
        np.testing.assert_array_equal(read_scan(volumes.files(slices)).voxels, volumes.BLOCK)


@pytest.mark.parametrize("words", ["T1 MPRAGE POST GD", "T1w +C", "t1_mpr_km", "T1 CE"])
def test_an_agent_that_only_the_description_names_is_known_and_such_a_series_not_proposed(words: str) -> None:
    t1 = volumes.series(SeriesDescription=words, EchoTime=3, RepetitionTime=8, ScanningSequence="GR")
    scan = read_scan(volumes.files(t1))
    assert scan.acquisition is not None
    assert scan.acquisition.agent
    t2 = volumes.series(SeriesInstanceUID="1.9", EchoTime=90, RepetitionTime=3000, ScanningSequence="SE")
    with pytest.raises(ChoiceNeeded) as question:
        read_scan(
            {**{f"a{k}": v for k, v in volumes.files(t1).items()}, **{f"b{k}": v for k, v in volumes.files(t2).items()}}
        )
    assert question.value.likely is None


def test_no_free_text_comes_out_of_a_code() -> None:
    one = volumes.image(
        np.arange(400, dtype=np.uint16).reshape(20, 20), Modality="DOE JANE", BodyPartExamined="DOE JANE"
    )
    scan = read_scan({"a": volumes.dicom_bytes(one)})
    assert "DOE" not in repr(scan.warnings) + str(scan.modality)
    assert "DOE" not in " ".join(doubts_of_file(replace(scan, voxels=np.zeros((4, 4, 4), np.float32))))
