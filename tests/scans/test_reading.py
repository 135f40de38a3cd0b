from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import ChoiceNeeded, ScanError
from core.registry import collect
from core.scans import display_name, read_scan, read_scan_file, readers
from core.scans.contrast.acquisition import Acquisition
from core.scans.reader import Reader
from core.scans.scan import Origin

from . import pictures, volumes
from .heads_of_formats import afni, itk_bytes, itk_image, mgh, minc2


@pytest.mark.parametrize("name", pictures.SYNTHETIC)
def test_every_depth_and_colour_has_the_expected_pixels(name: str) -> None:
    data, expected = pictures.SYNTHETIC[name]
    scan = read_scan({"file": data}, page=2 if "pages" in name else None)
    assert scan.voxels.dtype == np.float32
    np.testing.assert_allclose(scan.grey(), expected, atol=0.01)


@pytest.mark.parametrize("name", pictures.broken())
def test_a_broken_file_is_rejected_in_one_plain_line(name: str) -> None:
    data = pictures.broken()[name]
    with pytest.raises(ScanError) as rejected:
        read_scan({"file.jpg": data})
    sentence = str(rejected.value)
    assert sentence.startswith("file.jpg")
    assert "\n" not in sentence
    assert len(sentence) < 200


def test_another_kind_of_file_is_named_with_what_is_accepted() -> None:
    accepted = f"{', '.join(NAMES)}, also gzipped or zipped"
    with pytest.raises(ScanError, match=rf"page.jpg: this is an HTML page; accepted formats are {accepted}\."):
        read_scan({"page.jpg": b"<html></html>"})
    with pytest.raises(
        ScanError, match=rf"page.jpg and 1 more: none of them is a scan; accepted formats are {accepted}"
    ):
        read_scan({"page.jpg": b"<html></html>", "notes.txt": b"hello"})
    with pytest.raises(ScanError, match=r"scan.png: this file is empty\."):
        read_scan({"scan.png": b""})
    with pytest.raises(ScanError, match=r"scan.nii.gz: this file is empty\."):
        read_scan({"scan.nii.gz": b""})


def test_content_decides_the_format_not_the_name() -> None:
    assert read_scan({"scan.jpg": pictures.PNG_NAMED_JPG}).source == "PNG, 8-bit grey"


def test_several_pages_ask_which_one() -> None:
    with pytest.raises(ChoiceNeeded, match="201 pages") as question:
        read_scan({"stack.tif": pictures.PAGES_201})
    assert len(question.value.choices) == 201
    assert read_scan({"stack.tif": pictures.PAGES_201}, page=201).voxels.shape == (24, 20)
    with pytest.raises(ScanError, match="no page 202"):
        read_scan({"stack.tif": pictures.PAGES_201}, page=202)


NAMES = ["DICOM", "PNG", "JPEG", "TIFF", "BMP", "GIF", "WebP", "NIfTI", "FreeSurfer MGH", "MINC", "Analyze", "AFNI",
         "PAR/REC", "MetaImage", "NRRD"]  # fmt: skip
SINGLE = {
    "PNG": {"a.png": pictures.PNG_NAMED_JPG},
    "JPEG": {"a.jpg": pictures.EXIF_JPEG},
    "BMP": {"a.bmp": pictures.SYNTHETIC["bmp grey 8"][0]},
    "TIFF": {"a.tif": pictures.SYNTHETIC["tiff grey 8"][0]},
    "DICOM": {"a.dcm": volumes.known_dicom()["explicit"][0]},
    "NIfTI": {"a.nii": volumes.nifti(volumes.BLOCK, np.eye(4))},
    "Analyze": volumes.analyze(),
    "GIF": {"a.gif": pictures.encoded(Image.fromarray(pictures.RAMP), "GIF")},
    "WebP": {"a.webp": pictures.encoded(Image.fromarray(pictures.RAMP), "WEBP", lossless=True)},
    "FreeSurfer MGH": {"a.mgh": mgh()},
    "MINC": {"a.mnc": minc2()},
    "AFNI": afni(),
    "MetaImage": {"a.mha": itk_bytes(itk_image(volumes.BLOCK), ".mha")},
    "NRRD": {"a.nrrd": itk_bytes(itk_image(volumes.BLOCK), ".nrrd")},
}
PARREC = "PAR/REC"  # no library writes it; tests/scans/test_formats.py reads nibabel's


@pytest.mark.parametrize("name", [reader.name for reader in readers() if reader.name != PARREC])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_page_that_a_scan_does_not_have_is_refused_in_every_format(name: str, zipped: bool) -> None:
    files = {"a.zip": volumes.zipped(SINGLE[name])} if zipped else SINGLE[name]
    assert read_scan(files, page=1).digest == read_scan(files).digest
    with pytest.raises(
        ScanError, match=r"(has|holds) (one|1) (page|volume|series), so there is no \w+ 3\.$"
    ) as refused:
        read_scan(files, page=3)
    assert "\n" not in str(refused.value)


def test_a_series_of_slices_is_one_volume_and_has_no_other() -> None:
    with pytest.raises(ScanError, match=r"holds 1 series, so there is no series 2\."):
        read_scan(volumes.files(volumes.series()), page=2)


CHOICES = {
    "pages of a TIFF": {"a.tif": pictures.tiff(np.stack([pictures.RAMP, 255 - pictures.RAMP]))},
    "pages of a zipped TIFF": {"a.zip": volumes.zipped({"a.tif": pictures.tiff(np.stack([pictures.RAMP] * 2))})},
    "volumes of a 4-D series": {"a.nii": volumes.nifti(np.stack([volumes.BLOCK] * 2, -1), np.eye(4))},
    "images of DICOM objects": {
        f"{number}.dcm": volumes.dicom_bytes(volumes.image(volumes.PICTURE + number)) for number in range(2)
    },
    "scans of a zip": {
        "a.zip": volumes.zipped({f"{number}.tif": pictures.tiff(pictures.RAMP + number) for number in range(2)})
    },
}


@pytest.mark.parametrize("files", CHOICES.values(), ids=CHOICES.keys())
def test_each_of_several_scans_in_one_upload_has_a_name_and_a_digest_of_its_own(files: dict[str, bytes]) -> None:
    with pytest.raises(ChoiceNeeded) as question:
        read_scan(files)
    each = [read_scan(files, page=1 + number) for number in range(len(question.value.choices))]
    assert len({scan.name for scan in each}) == len({scan.digest for scan in each}) == len(each) == 2
    assert read_scan(files, page=2).digest == each[1].digest


def test_a_digest_covers_everything_that_is_known_of_a_scan() -> None:
    scan = read_scan({"a.png": pictures.SYNTHETIC["tiff grey 8"][0]})
    others = {
        "voxels": scan.voxels + 1,
        "window": (0.0, 200.0),
        "name": "scan-000000000000",
        "source": "PNG, 8-bit grey",
        "spacing_mm": (1.0, 2.0),
        "orientation": "PL",
        "modality": "CT",
        "affine": np.eye(4),
        "warnings": ("Look at it.",),
        "acquisition": Acquisition(echo_ms=3.0),
        "origin": Origin(person="a"),
    }
    assert set(others) == {field.name for field in fields(scan)}
    for name, value in others.items():
        assert replace(scan, **{name: value}).digest != scan.digest, name
    assert replace(scan, voxels=scan.voxels.reshape(20, 24)).digest != scan.digest


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pictures.ALL_BLACK, "same value"),
        (pictures.TRANSPARENT, "fully transparent"),
        (pictures.CMYK, "CMYK"),
        (pictures.SYNTHETIC["png colour 8"][0], "colour picture"),
        (pictures.SYNTHETIC["png grey 16 holding 12 bits"][0], "fit 12 bits"),
    ],
)
def test_an_unusual_picture_is_read_with_a_warning(data: bytes, said: str) -> None:
    assert any(said in warning for warning in read_scan({"file": data}).warnings)


def test_cmyk_is_the_grey_it_prints() -> None:
    np.testing.assert_allclose(read_scan({"file": pictures.CMYK}).grey(), 200, atol=2)


def test_an_exif_rotated_jpeg_is_turned_upright() -> None:
    expected = np.rot90(np.tile(pictures.RAMP, (4, 4)), -1)
    difference = np.abs(read_scan({"file": pictures.EXIF_JPEG}).grey() - expected)
    assert np.median(difference) < 3


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "a\0b.png",
        "x" * 5000 + ".png",
        "=cmd().png",
        "<script>alert(1)</script>.png",
        "",
        "Doe^John",
    ],
)
def test_a_file_name_goes_nowhere(name: str) -> None:
    scan = read_scan({name: pictures.PNG_NAMED_JPG})
    assert scan.name == read_scan({"other.png": pictures.PNG_NAMED_JPG}).name
    assert scan.name.startswith("scan-")
    shown = display_name(name)
    assert 0 < len(shown) <= 48
    assert not set(shown) & set("<>/\\\0=()^")


def test_a_missing_file_is_one_sentence() -> None:
    with pytest.raises(ScanError, match=r"nowhere.png cannot be opened: No such file"):
        read_scan_file("/nowhere.png")


def test_a_file_name_no_system_allows_is_one_sentence() -> None:
    with pytest.raises(ScanError, match="cannot be opened"):
        read_scan_file("a\0b.png")


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_files_end_in_a_scan_or_a_scan_error_and_nothing_else(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(pictures.SYNTHETIC)))
    damaged = bytearray(pictures.SYNTHETIC[name][0])
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        scan = read_scan({"file": bytes(damaged)}, page=1)
    except ScanError:
        return
    assert np.isfinite(scan.grey()).all()


@pytest.mark.parametrize("name", SINGLE)
def test_a_reader_knows_its_own_bytes_and_no_others(name: str) -> None:
    first = next(iter(SINGLE[name].values()))
    assert [reader.name for reader in readers() if reader.matches(first)] == [name]


def test_readers_are_collected_by_priority() -> None:
    assert [reader.name for reader in collect("core.scans.formats", "READER", Reader)] == NAMES
