import gzip
import struct
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import ChoiceNeeded, ScanError
from core.scans import Scan, read_scan, read_scan_file, separate_scans

from . import volumes
from .volumes import AFFINE, BLOCK, PICTURE

BROKEN = (
    {f"DICOM {name}": {"a.dcm": data} for name, data in volumes.broken_dicom().items()}
    | {f"zip {name}": {"a.zip": data} for name, data in volumes.broken_zip().items()}
    | {f"NIfTI {name}": files for name, files in volumes.broken_nifti().items()}
)
SAME_HEAD = {
    "DICOM series": lambda: volumes.files(volumes.series()),
    "sagittal DICOM series": lambda: volumes.files(volumes.series(axes="PIL")),
    "coronal DICOM series": lambda: volumes.files(volumes.series(axes="LIP")),
    "shuffled zip": lambda: {"a.zip": volumes.zipped(volumes.files(volumes.series()))},
    "multi-frame DICOM": lambda: {"a.dcm": volumes.multi_frame()},
    "NIfTI-1": lambda: {"a.nii": volumes.nifti()},
    "NIfTI-1 gzipped": lambda: {"a.nii.gz": gzip.compress(volumes.nifti())},
    "NIfTI-2": lambda: {"a.nii": volumes.nifti(kind=nibabel.Nifti2Image)},
    "NIfTI pair": lambda: nifti_pair(),
    "Analyze big-endian": lambda: volumes.analyze(),
    "Analyze little-endian": lambda: volumes.analyze(big_endian=False),
    "Analyze zipped": lambda: {"a.zip": volumes.zipped(volumes.analyze())},
}
PYDICOM = Path(pydicom.__file__).parent / "data/test_files"
NIBABEL = Path(nibabel.__file__).parent / "tests/data"


def nifti_pair() -> dict[str, bytes]:
    made = nibabel.Nifti1Pair(BLOCK, AFFINE)
    files = made.make_file_map({"header": nibabel.fileholders.FileHolder(), "image": nibabel.fileholders.FileHolder()})
    import io

    for holder in files.values():
        holder.fileobj = io.BytesIO()
    made.to_file_map(files)
    return {"a.hdr": files["header"].fileobj.getvalue(), "a.img": files["image"].fileobj.getvalue()}


@pytest.mark.parametrize("form", SAME_HEAD)
def test_the_same_head_has_the_same_voxels_whatever_its_file_format(form: str) -> None:
    scan = read_scan(SAME_HEAD[form]())
    assert scan.voxels.dtype == np.float32
    np.testing.assert_array_equal(scan.voxels, BLOCK)
    assert scan.orientation == "RAS"
    np.testing.assert_allclose(scan.spacing_mm, volumes.SPACING, rtol=1e-6)
    if "Analyze" not in form:  # which does not say where the head lies
        np.testing.assert_allclose(scan.affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize("axes", ["RAS", "LAS", "LPS", "RPI", "ASL", "PIR", "SAL", "IPR"])
def test_left_stays_left_in_every_orientation_code(axes: str) -> None:
    lesion = BLOCK.copy()
    lesion[2:5, 10:13, 10:13] = 4000  # low x: the patient's left
    scan = read_scan({"a.nii": volumes.nifti(lesion, axes=axes)})
    assert np.argwhere(scan.voxels == 4000)[:, 0].max() < BLOCK.shape[0] / 2
    np.testing.assert_array_equal(scan.voxels, lesion)


@pytest.mark.parametrize("orient", range(6))
def test_analyze_axes_are_those_of_its_orientation_byte_with_a_warning_about_the_side(orient: int) -> None:
    scan = read_scan(volumes.analyze(orient=orient))
    np.testing.assert_array_equal(scan.voxels, BLOCK)
    assert any("which side is left" in warning for warning in scan.warnings)


@pytest.mark.parametrize("name", volumes.known_dicom())
def test_a_dicom_image_has_its_known_values(name: str) -> None:
    data, expected = volumes.known_dicom()[name]
    scan = read_scan({"a.dcm": data})
    np.testing.assert_array_equal(scan.voxels, expected)
    assert scan.warnings == ()


@pytest.mark.parametrize("name", volumes.unusual_dicom())
def test_an_unusual_dicom_image_is_read_with_a_warning(name: str) -> None:
    data, said = volumes.unusual_dicom()[name]
    scan = read_scan({"a.dcm": data})
    np.testing.assert_array_equal(scan.voxels, PICTURE)
    assert any(said in warning for warning in scan.warnings)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_volume_is_rejected_in_one_plain_line(name: str) -> None:
    with pytest.raises(ScanError) as rejected:
        read_scan(BROKEN[name])
    sentence = str(rejected.value)
    assert "\n" not in sentence
    assert len(sentence) < 300
    assert not any(secret in sentence for secret in volumes.SECRETS)


def test_a_codec_that_fails_is_named() -> None:
    with pytest.raises(ScanError, match="JPEG-LS Lossless"):
        read_scan(BROKEN["DICOM garbage in JPEG-LS Lossless Image Compression"])


def test_rejecting_files_takes_little_memory(tmp_path: Path) -> None:
    for number, files in enumerate(BROKEN.values()):
        folder = tmp_path / f"{number:03d}"
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
    script = (
        "import pathlib, resource, sys\n"
        "from core.errors import ScanError\n"
        "from core.scans import read_scan, readers\n"
        "readers()\n"
        "unit = 2**20 if sys.platform == 'darwin' else 2**10\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit\n"
        "rest = peak()\n"
        "for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n"
        "        read_scan({path.name: path.read_bytes() for path in folder.iterdir()})\n"
        "    except ScanError:\n"
        "        pass\n"
        "print(peak() - rest)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 600, f"{done.stdout} MB"


@pytest.mark.parametrize("form", ["DICOM series", "multi-frame DICOM", "shuffled zip"])
def test_nothing_of_the_patient_is_in_a_scan(form: str) -> None:
    text = repr(read_scan(SAME_HEAD[form]()))
    assert not any(secret in text for secret in volumes.SECRETS)


def test_two_series_are_listed_and_one_is_chosen() -> None:
    first = volumes.series()
    second = volumes.series(BLOCK[:, :, :12] * 2, SeriesInstanceUID="1.2.3.5")
    files = volumes.files([*first, *second])
    with pytest.raises(ChoiceNeeded, match="2 series") as question:
        read_scan(files)
    assert question.value.choices == (
        "28 axial images of 24 × 20, MR, slices of 1 mm",
        "12 axial images of 24 × 20, MR, slices of 1 mm",
    )
    np.testing.assert_array_equal(read_scan(files, page=2).voxels, BLOCK[:, :, :12] * 2)
    with pytest.raises(ScanError, match="no series 3"):
        read_scan(files, page=3)


def test_two_patients_in_one_archive_are_asked_about_without_their_names() -> None:
    other = volumes.series(PatientName="Roe^Richard", PatientID="X-1")
    with pytest.raises(ChoiceNeeded, match="2 series of 2 people") as question:
        read_scan({"a.zip": volumes.zipped(volumes.files([*volumes.series(), *other]))})
    assert "Roe" not in str(question.value) + "".join(question.value.choices)


def test_a_missing_slice_is_interpolated_with_a_warning() -> None:
    kept = [one for number, one in enumerate(volumes.series()) if number != 9]
    scan = read_scan(volumes.files(kept))
    assert scan.voxels.shape == BLOCK.shape
    np.testing.assert_allclose(scan.voxels[:, :, 9], (BLOCK[:, :, 8] + BLOCK[:, :, 10]) / 2, atol=0.01)
    assert any("1 slice is missing" in warning for warning in scan.warnings)


def test_the_same_object_twice_counts_once() -> None:
    made = volumes.series()
    files = volumes.files(made) | {"again": volumes.dicom_bytes(made[3])}
    scan = read_scan(files)
    np.testing.assert_array_equal(scan.voxels, BLOCK)
    assert any("1 image came twice" in warning for warning in scan.warnings)


def test_two_images_at_one_position_are_reported() -> None:
    made = volumes.series()
    extra = volumes.series()[3]
    scan = read_scan(volumes.files(made) | {"more": volumes.dicom_bytes(extra)})
    np.testing.assert_array_equal(scan.voxels, BLOCK)
    assert any("1 image has the same position as another" in warning for warning in scan.warnings)


def test_uneven_slices_become_even_with_a_warning() -> None:
    made = volumes.series()
    for one in made[15:]:
        one.ImagePositionPatient[2] += 0.4
    scan = read_scan(volumes.files(made))
    assert any("distance between slices changes" in warning for warning in scan.warnings)


def test_one_corrupt_file_of_many_is_named_and_skipped() -> None:
    files = volumes.files(volumes.series())
    name = sorted(files)[4]
    files[name] = files[name][:-300]
    scan = read_scan({"a.zip": volumes.zipped(files)})
    assert any(name in warning for warning in scan.warnings)
    assert scan.voxels.shape == BLOCK.shape


def test_localizers_are_skipped_with_a_warning() -> None:
    localizer = volumes.image(PICTURE, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SeriesInstanceUID="1.2.3.9")
    scan = read_scan(volumes.files([*volumes.series(), localizer]))
    np.testing.assert_array_equal(scan.voxels, BLOCK)
    assert any("1 localizer image was skipped" in warning for warning in scan.warnings)


def test_what_systems_leave_behind_is_ignored() -> None:
    members = volumes.files(volumes.series())
    scan = read_scan({"a.zip": volumes.zipped({"__MACOSX/._x": b"x", ".DS_Store": b"y", **members})})
    np.testing.assert_array_equal(scan.voxels, BLOCK)
    assert scan.warnings == ()


def test_a_4d_series_asks_which_volume() -> None:
    four = np.stack([BLOCK, BLOCK * 2], axis=-1)
    data = nibabel.Nifti1Image(four, AFFINE).to_bytes()
    with pytest.raises(ChoiceNeeded, match="4-D series"):
        read_scan({"a.nii": data})
    np.testing.assert_array_equal(read_scan({"a.nii": data}, page=2).voxels, BLOCK * 2)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"scl_slope": np.nan}, "scale of values"),
        ({"srow_x": 0, "srow_y": 0, "srow_z": 0}, "position matrix"),
        ({"sform_code": 0, "qform_code": 0}, "how the head lies"),
    ],
)
def test_an_unusual_nifti_header_is_read_with_a_warning(fields: dict[str, object], said: str) -> None:
    scan = read_scan({"a.nii": volumes.header_with(**fields)})
    assert any(said in warning for warning in scan.warnings)


@pytest.mark.parametrize(
    ("axes", "said"),
    [("RAS", ""), ("LAS", "disagree on which side is left"), ("RSA", "disagree on how the head lies (RAS, RSA)")],
)
def test_two_position_matrices_that_disagree_are_named(axes: str, said: str) -> None:
    image = nibabel.Nifti1Image(BLOCK, np.diag([1.0, 1, 1, 1]))
    turned = np.zeros((4, 4))
    turned[3, 3] = 1
    for column, letter in enumerate(axes):
        turned["RAS".index("R" if letter == "L" else letter), column] = -1 if letter == "L" else 1
    image.set_sform(np.diag([1.0, 1, 1, 1]), 1)
    image.set_qform(turned, 1)
    scan = read_scan({"a.nii": image.to_bytes()})
    np.testing.assert_array_equal(scan.affine, np.diag([1.0, 1, 1, 1]))
    assert [said in warning for warning in scan.warnings] == ([True] if said else [])


def test_a_scaled_nifti_has_its_scaled_values() -> None:
    scan = read_scan({"a.nii": volumes.header_with(scl_slope=0.5, scl_inter=3)})
    np.testing.assert_allclose(scan.voxels, BLOCK * 0.5 + 3)


def test_some_missing_values_become_zero_with_a_warning() -> None:
    holed = BLOCK.astype(np.float32)
    holed[0, 0, 0] = np.nan
    scan = read_scan({"a.nii": volumes.nifti(holed)})
    assert scan.voxels[0, 0, 0] == 0
    assert any("NaN" in warning for warning in scan.warnings)


@pytest.mark.parametrize("marker", [-np.inf, 3e38, -3.4e38, 1e38])
def test_values_beyond_all_measurement_count_as_missing(marker: float) -> None:
    holed = BLOCK.astype(np.float32)
    holed[0, 0, 0] = marker
    scan = read_scan({"a.nii": volumes.nifti(holed)})
    assert scan.voxels[0, 0, 0] == 0
    assert any("beyond 1e30" in warning for warning in scan.warnings)
    with pytest.raises(ScanError, match="every voxel is NaN, infinite or beyond 1e30"):
        read_scan({"a.nii": volumes.nifti(np.full_like(holed, marker))})


def test_files_given_together_are_sorted_into_scans() -> None:
    given = {**volumes.files(volumes.series()), **volumes.analyze(), "b.nii": volumes.nifti(), "notes.txt": b"hello"}
    groups = separate_scans(given)
    assert sorted(len(group) for group in groups) == [1, 2, 29]  # what is no scan came from the disc
    del given["notes.txt"]
    assert sorted(len(group) for group in separate_scans(given)) == [1, 2, 28]


def test_a_header_on_disk_finds_its_image_and_a_folder_is_one_upload(tmp_path: Path) -> None:
    for name, data in volumes.analyze().items():
        (tmp_path / name).write_bytes(data)
    np.testing.assert_array_equal(read_scan_file(tmp_path / "OAS1_mpr.hdr").voxels, BLOCK)
    np.testing.assert_array_equal(read_scan_file(tmp_path).voxels, BLOCK)


@pytest.mark.parametrize(
    "name",
    [
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
    ],
)
def test_pydicoms_own_mr_image_is_the_same_in_every_transfer_syntax(name: str) -> None:
    expected = pydicom.dcmread(PYDICOM / "MR_small.dcm").pixel_array
    scan = read_scan_file(PYDICOM / name)
    np.testing.assert_array_equal(scan.voxels, expected)
    assert scan.orientation == "PL"


def test_nibabels_own_volume_is_read_as_nibabel_reads_it() -> None:
    expected = nibabel.as_closest_canonical(nibabel.load(NIBABEL / "anatomical.nii"))
    scan = read_scan_file(NIBABEL / "anatomical.nii")
    np.testing.assert_allclose(scan.voxels, expected.get_fdata(), rtol=1e-6)
    np.testing.assert_allclose(scan.affine, expected.affine)


FLIPPABLE = {
    "DICOM": {"a": volumes.dicom_bytes(volumes.image(PICTURE))},
    "multi-frame": {"a": volumes.multi_frame()},
    "JPEG 2000": {"a": volumes.known_dicom()["JPEG 2000"][0]},
    "JPEG-LS": {"a": volumes.known_dicom()["JPEG-LS"][0]},
    "JPEG lossless": {"a": volumes.known_dicom()["JPEG lossless"][0]},
    "RLE": {"a": volumes.known_dicom()["RLE"][0]},
    "deflated": {"a": volumes.known_dicom()["deflated"][0]},
    "zip": {"a.zip": volumes.zipped(volumes.files(volumes.series()[:9]))},
    "NIfTI": {"a": volumes.nifti()},
    "NIfTI-2": {"a": volumes.nifti(kind=nibabel.Nifti2Image)},
    "gzip": {"a.nii.gz": gzip.compress(volumes.nifti())},
    "Analyze": volumes.analyze(),
}


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_volumes_end_in_a_scan_or_a_scan_error_and_nothing_else(data: st.DataObject) -> None:
    files = dict(FLIPPABLE[data.draw(st.sampled_from(sorted(FLIPPABLE)))])
    name = data.draw(st.sampled_from(sorted(files)))
    damaged = bytearray(files[name])
    reach = data.draw(st.sampled_from([400, len(damaged)]))  # headers are where it hurts
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, min(reach, len(damaged)) - 1))] = data.draw(st.integers(0, 255))
    try:
        scan: Scan = read_scan({**files, name: bytes(damaged)}, page=1)
    except ScanError:
        return
    assert np.isfinite(scan.grey()).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200, -1e300])
def test_a_place_that_no_head_can_have_is_not_used_and_it_is_said(value: float) -> None:
    header = bytearray(volumes.nifti(kind=nibabel.Nifti2Image))
    header[400:408] = struct.pack("<d", value)  # the first number of the sform
    scan = read_scan({"a.nii": bytes(header)})
    assert any("position matrix is not usable" in warning for warning in scan.warnings)
    assert np.isfinite(scan.affine).all()
