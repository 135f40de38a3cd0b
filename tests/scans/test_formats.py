"""Formats of neuroimaging, written by other libraries: the same voxels and places as those read back."""

import gzip
import io
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import ChoiceNeeded, ScanError
from core.scans import Scan, read_scan, read_scan_file
from core.scans.raster import LUMA

from . import pictures, volumes
from .heads_of_formats import LPS, afni, itk_bytes, itk_image, mgh, minc2

NIBABEL = Path(nibabel.__file__).parent / "tests" / "data"
OBLIQUE = volumes.AFFINE.copy()
OBLIQUE[:3, :3] = volumes.AFFINE[:3, :3] @ np.array([[0.98, -0.199, 0], [0.199, 0.98, 0], [0, 0, 1.0]])


def same(scan: Scan, voxels: np.ndarray, affine: np.ndarray) -> None:
    """Compare a scan with voxels and affine as another library has them, turned to RAS+."""
    expected = nibabel.as_closest_canonical(nibabel.Nifti1Image(np.asarray(voxels, np.float32), affine))
    np.testing.assert_allclose(scan.voxels, expected.dataobj, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(scan.affine, expected.affine, atol=1e-4)


def as_itk_reads(path: Path) -> tuple[np.ndarray, np.ndarray]:
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).transpose(), LPS @ affine


@pytest.mark.parametrize(
    "affine", [volumes.AFFINE, OBLIQUE, np.diag([-2.0, -1.5, 1, 1])], ids=["ras", "oblique", "lps"]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("ending", [".mha", ".mhd", ".nrrd", ".nhdr"])
@pytest.mark.parametrize("packed", [False, True])
def test_what_itk_writes_is_read_as_itk_reads_it(
    tmp_path: Path, ending: str, dtype: type, affine: np.ndarray, *, packed: bool
) -> None:
    path = tmp_path / f"head{ending}"
    sitk.WriteImage(itk_image((volumes.BLOCK % 251).astype(dtype), affine), str(path), useCompression=packed)
    same(read_scan_file(path), *as_itk_reads(path))
    files = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    same(read_scan(files), *as_itk_reads(path))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
@pytest.mark.parametrize("packed", [False, True])
def test_freesurfers_files_are_read_as_nibabel_reads_them(dtype: type, *, packed: bool) -> None:
    image = nibabel.MGHImage((volumes.BLOCK % 251).astype(dtype), OBLIQUE)
    data = gzip.compress(image.to_bytes()) if packed else image.to_bytes()
    same(read_scan({"orig.mgz" if packed else "orig.mgh": data}), image.dataobj, image.affine)


def test_of_a_series_in_freesurfers_format_one_is_chosen() -> None:
    series = np.stack([volumes.BLOCK, volumes.BLOCK + 1], axis=-1).astype(np.int16)
    data = nibabel.MGHImage(series, volumes.AFFINE).to_bytes()
    with pytest.raises(ChoiceNeeded, match="4-D series"):
        read_scan({"a.mgh": data})
    same(read_scan({"a.mgh": data}, page=2), series[..., 1], volumes.AFFINE)


@pytest.mark.parametrize("name", ["small.mnc", "minc1_1_scale.mnc", "minc2_1_scale.mnc"])
def test_minc_files_are_read_as_nibabel_reads_them(name: str) -> None:
    path = NIBABEL / name
    if not path.exists():
        pytest.skip("nibabel came without its test data")
    image = nibabel.load(path)
    same(read_scan_file(path), image.get_fdata(), image.affine)


@pytest.mark.parametrize("name", ["minc1_4d.mnc", "minc2_4d.mnc"])
def test_of_a_series_in_minc_one_is_chosen_by_its_time(name: str) -> None:
    path = NIBABEL / name
    if not path.exists():
        pytest.skip("nibabel came without its test data")
    image = nibabel.load(path)
    with pytest.raises(ChoiceNeeded, match="choose one volume from 1 to 2"):
        read_scan_file(path)
    same(read_scan_file(path, page=2), image.get_fdata()[1], image.affine)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # nibabel leaves the .REC open
@pytest.mark.parametrize(
    ("header", "page"),
    [
        ("scaled+tlrc.HEAD", None),
        ("example4d+orig.HEAD", 2),
        ("phantom_EPI_asc_CLEAR_2_1.PAR", 3),
        ("phantom_varscale.PAR", 1),
    ],
)
def test_a_header_with_its_image_is_read_as_nibabel_reads_it(header: str, page: int | None) -> None:
    path = NIBABEL / header
    if not path.exists():
        pytest.skip("nibabel came without its test data")
    image = nibabel.load(path)
    voxels = image.get_fdata()
    wanted = voxels[..., 0 if page is None else page - 1] if voxels.ndim == 4 else voxels
    same(read_scan_file(path, page=page), wanted, image.affine)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_grey_pictures_of_the_web_keep_their_values(kind: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(pictures.RAMP).save(stream, kind, **({"lossless": True} if kind == "WEBP" else {}))
    scan = read_scan({"a.bin": stream.getvalue()})
    np.testing.assert_array_equal(scan.grey(), pictures.RAMP)
    assert not scan.warnings


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_of_a_film_the_first_frame_is_read_and_it_is_said(kind: str) -> None:
    stream = io.BytesIO()
    frames = [Image.fromarray(pictures.RAMP), Image.fromarray(255 - pictures.RAMP)]
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(stream, kind, save_all=True, append_images=frames[1:], **options)
    scan = read_scan({"a.bin": stream.getvalue()})
    np.testing.assert_array_equal(scan.grey(), pictures.RAMP)
    assert any("several frames; the first one is read" in warning for warning in scan.warnings)


def written(tmp_path: Path, ending: str) -> dict[str, bytes]:
    sitk.WriteImage(itk_image(volumes.BLOCK, volumes.AFFINE), str(tmp_path / f"head{ending}"))
    return {one.name: one.read_bytes() for one in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("ending", "image", "said"),
    [
        (".mhd", "head.raw", r"give the (head\.raw|\.mhd or \.nhdr) file with it"),
        (".nhdr", "head.raw", r"give the (head\.raw|\.mhd or \.nhdr) file with it"),
    ],
)
def test_half_of_a_pair_says_what_is_missing(tmp_path: Path, ending: str, image: str, said: str) -> None:
    files = written(tmp_path, ending)
    assert set(files) == {f"head{ending}", image}
    for name in files:
        with pytest.raises(ScanError, match=said):
            read_scan({name: files[name]})


def test_the_voxels_alone_find_their_header_beside_them(tmp_path: Path) -> None:
    written(tmp_path, ".mhd")
    same(read_scan_file(tmp_path / "head.raw"), *as_itk_reads(tmp_path / "head.mhd"))


def test_a_header_leads_to_no_other_folder(tmp_path: Path) -> None:
    files = written(tmp_path, ".mhd")
    (tmp_path / "inside").mkdir()
    secret = files["head.mhd"].replace(b"head.raw", b"../head.raw")
    (tmp_path / "inside" / "head.mhd").write_bytes(secret)
    with pytest.raises(ScanError, match="a header without its image"):
        read_scan_file(tmp_path / "inside" / "head.mhd")


def test_two_pairs_in_one_upload_are_two_scans(tmp_path: Path) -> None:
    for number in range(2):
        sitk.WriteImage(itk_image(volumes.BLOCK + number, volumes.AFFINE), str(tmp_path / f"head{number}.mhd"))
    files = {one.name: one.read_bytes() for one in sorted(tmp_path.iterdir())}
    with pytest.raises(ChoiceNeeded) as question:
        read_scan(files)
    assert len(question.value.choices) == 2
    same(read_scan(files, page=2), volumes.BLOCK + 1, volumes.AFFINE)


def test_what_stays_unread_is_named_with_the_way_to_convert_it() -> None:
    with pytest.raises(ScanError, match=r"an MRtrix image \(\.mif\); convert it with mrconvert"):
        read_scan({"a.mif": b"mrtrix image\ndim: 2,2,2\nEND\n"})
    vectors = itk_bytes(sitk.GetImageFromArray(np.zeros((9, 9, 9, 5), np.uint8), isVector=True), ".mha")
    with pytest.raises(ScanError, match=r"holds 5 numbers a voxel; grey and colour are read"):
        read_scan({"a.mha": vectors})


GREY = np.random.default_rng(4).integers(0, 256, (12, 14, 16)).astype(np.uint8)
RED = np.stack([GREY, GREY // 2, GREY // 3], axis=-1)
RGB24 = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


def _itk_colours(colours: np.ndarray, ending: str) -> bytes:
    """Write X × Y × Z × 3 along RAS+ as a vector image."""
    made = sitk.GetImageFromArray(colours.transpose(2, 1, 0, 3), isVector=True)
    made.SetDirection([-1, 0, 0, 0, -1, 0, 0, 0, 1])
    return itk_bytes(made, ending)


def _nifti_colours(colours: np.ndarray) -> bytes:
    return nibabel.Nifti1Image(np.ascontiguousarray(colours).view(RGB24)[..., 0], np.eye(4)).to_bytes()


def _nifti_vector(colours: np.ndarray) -> bytes:
    return nibabel.Nifti1Image(colours[:, :, :, None], np.eye(4)).to_bytes()


def _nifti_series(colours: np.ndarray) -> bytes:
    return nibabel.Nifti1Image(colours, np.eye(4)).to_bytes()


COLOURS = {
    "NIfTI of colours": _nifti_colours,
    "NIfTI of vectors": _nifti_vector,
    "NIfTI of three volumes": _nifti_series,
    "MetaImage": lambda colours: _itk_colours(colours, ".mha"),
    "NRRD": lambda colours: _itk_colours(colours, ".nrrd"),
}


@pytest.mark.parametrize("kind", COLOURS)
def test_three_equal_channels_are_grey(kind: str) -> None:
    scan = read_scan({"a": COLOURS[kind](np.stack([GREY] * 3, axis=-1))})
    np.testing.assert_array_equal(scan.voxels, GREY)


@pytest.mark.parametrize("kind", ["NIfTI of colours", "MetaImage"])
def test_colours_become_their_luma_and_that_is_said(kind: str) -> None:
    scan = read_scan({"a": COLOURS[kind](RED)})
    np.testing.assert_allclose(scan.voxels, RED @ LUMA, atol=1e-3)
    assert any("colour" in warning for warning in scan.warnings)


def test_three_volumes_that_differ_are_asked_for() -> None:
    for kind in ("NIfTI of three volumes", "NIfTI of vectors", "NRRD"):
        with pytest.raises(ChoiceNeeded, match="choose one volume from 1 to 3"):
            read_scan({"a": COLOURS[kind](RED)})


@pytest.mark.parametrize(("code", "factor", "unit"), [(1, 1e-3, "metres"), (3, 1e3, "microns")])
def test_sizes_in_metres_and_microns_become_mm(code: int, factor: float, unit: str) -> None:
    affine = np.diag([2.0, 1.5, 1.0, 1.0])
    affine[:3, 3] = -20, -18, -16
    made = nibabel.Nifti1Image(volumes.BLOCK, np.diag([factor, factor, factor, 1.0]) @ affine)
    made.header["xyzt_units"] = code
    scan = read_scan({"a.nii": made.to_bytes()})
    np.testing.assert_allclose(scan.affine, affine, rtol=1e-5)
    assert any(f"gives its sizes in {unit}" in warning for warning in scan.warnings)
    wrong = nibabel.Nifti1Image(volumes.BLOCK, affine)
    wrong.header["xyzt_units"] = code
    scan = read_scan({"a.nii": wrong.to_bytes()})
    np.testing.assert_allclose(scan.affine, affine, rtol=1e-5)
    assert any("fits no head" in warning for warning in scan.warnings)


def test_the_units_of_a_nrrd_count() -> None:
    data = itk_bytes(itk_image(volumes.BLOCK, volumes.AFFINE), ".nrrd")
    metres = data.replace(b"encoding: raw", b'space units: "cm" "cm" "cm"\nencoding: raw')
    assert metres != data
    np.testing.assert_allclose(read_scan({"a": metres}).spacing_mm, np.array(volumes.SPACING) * 10)


MADE = {
    "mgh": {"a": mgh()},
    "mha": {"a": itk_bytes(itk_image(volumes.BLOCK), ".mha")},
    "nrrd": {"a": itk_bytes(itk_image(volumes.BLOCK), ".nrrd")},
    "minc": {"a": minc2()},
    "afni": afni(),
}


@pytest.mark.parametrize("name", MADE)
def test_every_format_holds_the_same_block(name: str) -> None:
    same(read_scan(MADE[name]), volumes.BLOCK, volumes.AFFINE)


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_damaged_file_ends_in_a_scan_or_a_scan_error_and_nothing_else(data: st.DataObject) -> None:
    files = dict(MADE[data.draw(st.sampled_from(sorted(MADE)))])
    name = data.draw(st.sampled_from(sorted(files)))
    damaged = bytearray(files[name])
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged) - 1)) :]
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            place = data.draw(st.integers(0, min(len(damaged), 2048) - 1))
            damaged[place] = data.draw(st.integers(0, 255))
    said = ""
    try:
        read_scan(files | {name: bytes(damaged)}, page=1)
    except ScanError as error:
        said = str(error)
    assert "\n" not in said


def test_a_minc_file_leads_to_no_other_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"TOPSECRET_PATIENT_DATA! " * 2000)
    shape = (28, 24, 20)
    for kind in ("external", "virtual", "link"):
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            group = file.create_group("minc-2.0")
            for index, (name, length) in enumerate(zip(("zspace", "yspace", "xspace"), shape, strict=True)):
                axis = group.require_group("dimensions").create_dataset(name, data=0)
                axis.attrs.update(length=length, step=1.0, start=0.0, direction_cosines=np.eye(3)[2 - index])
                axis.attrs.update(spacing=np.bytes_("regular__"), units=np.bytes_("mm"))
            place = group.create_group("image/0")
            if kind == "external":
                image = place.create_dataset("image", shape=shape, dtype="i2", external=[(str(secret), 0, 26880)])
            elif kind == "virtual":
                layout = h5py.VirtualLayout(shape=shape, dtype="i2")
                layout[:] = h5py.VirtualSource(str(secret), "x", shape=shape)
                image = place.create_virtual_dataset("image", layout)
            else:
                place["image"] = h5py.ExternalLink(str(secret), "/x")
                image = None
            if image is not None:
                image.attrs.update(
                    dimorder=np.bytes_("zspace,yspace,xspace"), valid_range=np.array([-32768.0, 32767.0])
                )
            place.create_dataset("image-min", data=-32768.0)
            place.create_dataset("image-max", data=32767.0)
        with pytest.raises(ScanError, match="lie in another file, which is not opened"):
            read_scan({"a.mnc": stream.getvalue()})


@pytest.mark.parametrize("kind", [6, 9])
def test_afni_values_of_a_kind_that_is_not_read_are_one_line(kind: int) -> None:
    pair = afni()
    changed = {
        name: data.replace(b"\n1\n", f"\n{kind}\n".encode()) if name.endswith("HEAD") else data
        for name, data in pair.items()
    }
    with pytest.raises(ScanError, match="AFNI"):
        read_scan(changed)


def test_gzip_of_several_members_is_read_whole() -> None:
    data = volumes.nifti()
    blocks = b"".join(gzip.compress(data[at : at + 5000]) for at in range(0, len(data), 5000))
    np.testing.assert_array_equal(read_scan({"a.nii.gz": blocks}).voxels, volumes.BLOCK)
    with pytest.raises(ScanError, match="incomplete"):
        read_scan({"a.nii.gz": blocks[:-9]})


def test_an_sform_of_zeros_leaves_the_qform() -> None:
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    image = nibabel.Nifti1Image(volumes.BLOCK.astype(np.int16), affine)
    image.set_sform(np.zeros((4, 4)), 1)
    image.set_qform(affine, 1)
    scan = read_scan({"a.nii": image.to_bytes()})
    np.testing.assert_array_equal(scan.voxels, volumes.BLOCK[::-1, ::-1])
    assert any("its qform is used" in warning for warning in scan.warnings)


def test_two_members_of_one_name_in_a_zip_are_both_there() -> None:
    one, other = volumes.nifti(), volumes.nifti(volumes.BLOCK + 1)
    with pytest.raises(ChoiceNeeded, match="2 scans"):
        read_scan({"a.zip": volumes.zipped({"a.nii": one, "a.nii.gz": gzip.compress(other)})})


def test_a_series_that_simpleitk_writes_as_nrrd_is_a_series(tmp_path: Path) -> None:
    values = np.stack([volumes.BLOCK, volumes.BLOCK + 1]).astype(np.int16)  # volumes × X × Y × Z
    sitk.WriteImage(sitk.GetImageFromArray(values.transpose(0, 3, 2, 1), isVector=False), str(tmp_path / "a.nrrd"))
    data = (tmp_path / "a.nrrd").read_bytes()
    with pytest.raises(ChoiceNeeded, match="4-D series"):
        read_scan({"a.nrrd": data})
    assert float(read_scan({"a.nrrd": data}, page=2).voxels.min()) == volumes.BLOCK.min() + 1


def test_a_palette_of_eight_bits_is_as_bright_as_one_of_sixteen() -> None:
    picture = np.tile(np.arange(64, dtype=np.uint8), (64, 1))
    ramp = np.tile(np.arange(256, dtype=np.uint16), (3, 1))
    found = []
    for colours in (ramp, ramp * 257):
        stream = io.BytesIO()
        tifffile.imwrite(stream, picture, photometric="palette", colormap=colours)
        found.append(read_scan({"a.tif": stream.getvalue()}).grey())
    np.testing.assert_array_equal(*found)
    assert found[0].max() > 60


def test_a_stack_behind_one_page_is_said() -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((4, 32, 32), np.uint8) + 9, imagej=True, truncate=True)
    assert any("holds 4 images" in warning for warning in read_scan({"a.tif": stream.getvalue()}).warnings)
