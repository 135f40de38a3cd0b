"""What DICOM files say besides their pixels: planes, echoes, colours, mosaics, series, and nothing of the person."""

import io
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from core.errors import ChoiceNeeded, ScanError
from core.scans import Scan, read_scan, read_scan_file, separate_scans
from core.scans.contrast.acquisition import Acquisition, technical_words
from core.scans.dicom.pixel_data import _run_length
from core.scans.raster import LUMA

from ..conftest import ROOT
from . import volumes

OWN = Path(pydicom.__file__).parent / "data/test_files"
# Colours of a test pattern as other software wrote them. Left out are the small ones, 32 bits, and two compressions
# that pydicom, which gives the expected values, cannot decode without plugins: JPEG-LS and lossless JPEG.
COLOURED = sorted(
    path.name for path in OWN.glob("*.dcm")
    if path.name.startswith(("SC_rgb", "SC_ybr", "SC_jpeg", "examples_rgb", "examples_ybr", "examples_palette"))
    and not any(part in path.name for part in ("32bit", "jls", "small", "rgb_jpeg_gdcm"))
)  # fmt: skip


def grey_by_pydicom(path: Path) -> np.ndarray:
    """Return the luma of a colour object as pydicom, with its own plugins, decodes it; in 0 to 255."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path)
        found = dataset.pixel_array
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            found = pydicom.pixels.apply_color_lut(found, dataset) >> 8
        elif dataset.BitsAllocated == 16:
            found = found / 257
    return np.asarray(found, float) @ LUMA


@pytest.mark.parametrize("name", COLOURED)
def test_a_colour_object_of_other_software_becomes_grey(name: str) -> None:
    expected = grey_by_pydicom(OWN / name)
    frames = expected.ndim == 3
    scan = read_scan_file(OWN / name, page=1 if frames else None)
    expected = expected[0] if frames else expected
    shown = scan.voxels / (257 if "16-bit" in scan.source else 1)
    assert np.abs(shown - expected).mean() < 1.5  # decoders of JPEG, and of its colours, differ by a grey level
    assert any("colour" in warning for warning in scan.warnings)


@pytest.mark.parametrize("by_plane", [0, 1])
def test_three_equal_samples_keep_their_values(by_plane: int) -> None:
    grey = np.random.default_rng(1).integers(0, 256, (32, 40), np.uint8)
    stored = np.stack([grey] * 3, axis=0 if by_plane else -1)
    dataset = volumes.image(grey, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=by_plane)
    dataset.PixelData = stored.tobytes()
    scan = read_scan({"a": volumes.dicom_bytes(dataset)})
    np.testing.assert_array_equal(scan.voxels, grey)
    assert scan.window == (0.0, 255.0)
    assert not any("colour" in warning for warning in scan.warnings)


def test_a_grey_palette_is_looked_up_and_a_missing_one_named() -> None:
    grey = np.random.default_rng(2).integers(0, 256, (32, 40), np.uint8)
    table = (255 - np.arange(256)).astype(np.uint16) << 8
    dataset = volumes.image(grey, PhotometricInterpretation="PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", table.astype("<u2").tobytes())
    np.testing.assert_array_equal(read_scan({"a": volumes.dicom_bytes(dataset)}).voxels, 255.0 - grey)
    del dataset.GreenPaletteColorLookupTableData
    with pytest.raises(ScanError, match="a palette that is missing or segmented"):
        read_scan({"a": volumes.dicom_bytes(dataset)})


def enhanced(stacks: list[dict[str, object]], block: np.ndarray = volumes.BLOCK) -> bytes:
    """Write one enhanced object of several stacks of frames, interleaved: each with its axes, and values per frame."""
    frames, groups = [], []
    for stack in stacks:
        for one in volumes.series(stack.get("block", block), axes=str(stack.get("axes", "LPS"))):
            group, place, plane, measures = (Dataset() for _ in range(4))
            place.ImagePositionPatient, plane.ImageOrientationPatient = (
                one.ImagePositionPatient, one.ImageOrientationPatient)  # fmt: skip
            measures.PixelSpacing = one.PixelSpacing
            group.PlanePositionSequence, group.PlaneOrientationSequence = Sequence([place]), Sequence([plane])
            group.PixelMeasuresSequence = Sequence([measures])
            if "echo" in stack:
                echo = Dataset()
                echo.EffectiveEchoTime = stack["echo"]
                group.MREchoSequence = Sequence([echo])
            frames.append(np.frombuffer(one.PixelData, "<i2").reshape(one.Rows, one.Columns))
            groups.append(group)
    order = np.random.default_rng(5).permutation(len(frames))
    whole = volumes.image(np.stack([frames[at] for at in order]))
    whole.NumberOfFrames = len(frames)
    whole.PerFrameFunctionalGroupsSequence = Sequence([groups[at] for at in order])
    return volumes.dicom_bytes(whole)


CUBE = np.random.default_rng(3).integers(0, 2000, (20, 20, 20)).astype(np.int16)


def test_the_planes_of_an_enhanced_object_are_volumes_of_their_own() -> None:
    data = enhanced([{"axes": "LPS"}, {"axes": "PIL"}, {"axes": "LIP"}], CUBE)
    with pytest.raises(ChoiceNeeded, match="hold 3 series") as question:
        read_scan({"a": data})
    planes = [choice.split()[1] for choice in question.value.choices]
    assert sorted(planes) == ["axial", "coronal", "sagittal"]
    scans = [read_scan({"a": data}, page=number) for number in (1, 2, 3)]
    for scan in scans:
        np.testing.assert_array_equal(scan.voxels, CUBE)
    assert len({scan.name for scan in scans}) == 3


def test_the_echoes_of_an_enhanced_object_are_volumes_of_their_own() -> None:
    data = enhanced([{"echo": 12.0}, {"echo": 95.0, "block": volumes.BLOCK + 7}])
    with pytest.raises(ChoiceNeeded) as question:
        read_scan({"a": data})
    assert sorted(choice.split("TE ")[1].split(" ms")[0] for choice in question.value.choices) == ["12", "95"]
    late = next(at for at, choice in enumerate(question.value.choices, start=1) if "TE 95 ms" in choice)
    np.testing.assert_array_equal(read_scan({"a": data}, page=late).voxels, volumes.BLOCK + 7)
    assert read_scan({"a": data}, page=late).acquisition.echo_ms == 95.0


@pytest.mark.parametrize(
    "attributes",
    [{"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]}, {"ImageType": ["ORIGINAL", "PRIMARY", "VFRAME"]}],
)
def test_a_mosaic_is_named(attributes: dict[str, object]) -> None:
    tiled = volumes.dicom_bytes(volumes.image(volumes.PICTURE, **attributes))
    with pytest.raises(ScanError, match="this is a mosaic, many slices of a functional or diffusion series"):
        read_scan({"a": tiled})
    disc = volumes.files(volumes.series()) | {"tiled": tiled}
    scan = read_scan(disc)
    assert scan.voxels.shape == volumes.SHAPE
    assert any("tiled was skipped: this is a mosaic" in warning for warning in scan.warnings)


T1 = {"ScanningSequence": "GR", "MRAcquisitionType": "3D", "EchoTime": 3.0, "RepetitionTime": 2300.0,
      "InversionTime": 900.0, "SeriesDescription": "t1_mprage_sag SMITH^JOHN"}  # fmt: skip
T2 = {"ScanningSequence": "SE", "EchoTime": 95.0, "RepetitionTime": 5000.0, "SeriesDescription": "Doe Jane t2 tse ax",
      "SeriesInstanceUID": "1.2.9"}  # fmt: skip


def test_series_that_look_alike_are_told_apart_by_how_they_were_made() -> None:
    disc = volumes.files(volumes.series(**T1))
    disc |= {f"b{name}": data for name, data in volumes.files(volumes.series(**T2)).items()}
    with pytest.raises(ChoiceNeeded) as question:
        read_scan(disc)
    first, second = sorted(question.value.choices, key=lambda one: "T2" in one)
    assert "T1, 3D GR, TE 3 ms, TR 2300 ms, TI 900 ms, slices of 1 mm, “t1 mprage sag”" in first
    assert "T2, SE, TE 95 ms, TR 5000 ms, slices of 1 mm, “t2 tse ax”" in second
    assert question.value.choices[question.value.likely - 1] == first
    said = " ".join((*question.value.choices, str(question.value))).casefold()
    assert not any(secret.casefold() in said for secret in ("smith", "john", "doe", "jane", *volumes.SECRETS))


@pytest.mark.parametrize(
    ("other", "likely"),
    [
        (T1 | {"SeriesInstanceUID": "1.2.9"}, None),
        (T1 | {"SeriesInstanceUID": "1.2.9", "ContrastBolusAgent": "Gadovist"}, 1),
        ({"SeriesInstanceUID": "1.2.9"}, None),
        (T2, 1),
    ],
)
def test_a_series_is_proposed_only_where_it_is_clear(other: dict[str, object], likely: int | None) -> None:
    disc = volumes.files(volumes.series(**T1))
    disc |= {f"b{name}": data for name, data in volumes.files(volumes.series(**other)).items()}
    with pytest.raises(ChoiceNeeded) as question:
        read_scan(disc)
    proposed = question.value.likely
    assert (proposed is None) == (likely is None)
    if proposed is not None:
        chosen = read_scan(disc, page=proposed).acquisition
        assert (chosen.weighting, chosen.agent) == ("T1", False)


def test_loose_files_of_a_disc_are_read_as_their_zip_is() -> None:
    disc = volumes.files(volumes.series()) | {
        "README.TXT": b"Thank you for choosing our hospital", "VIEWER.EXE": b"MZ" + b"\1" * 300,
        "AUTORUN.INF": b"[autorun]", "index.htm": b"<html></html>",
    }  # fmt: skip
    (loose,) = separate_scans(disc)
    scan, packed = read_scan(loose), read_scan({"disc.zip": volumes.zipped(disc)})
    np.testing.assert_array_equal(scan.voxels, packed.voxels)
    assert sorted(scan.warnings) == sorted(packed.warnings)
    assert "4 files that are not scans were skipped." in scan.warnings


def made(**attributes: object) -> Scan:
    return read_scan({"a": volumes.dicom_bytes(volumes.image(volumes.PICTURE, **attributes))})


def test_images_of_one_person_have_equal_digests_and_those_of_nobody_none() -> None:
    one, again = made(), made(PatientName="jane DOE", SeriesInstanceUID="1.2.9")
    other = made(PatientID="ID-2")
    assert one.origin.person == again.origin.person != other.origin.person
    assert one.origin.study == again.origin.study
    assert one.origin.series != again.origin.series
    for nobody in ("", "ANONYMOUS", "anon_0012", "Unknown", "00000", "XXXXX", "N/A", "de-identified"):
        hidden = made(PatientID=nobody, PatientName="Anonymized^^^")
        assert hidden.origin.person == "", nobody
        assert hidden.origin.study == one.origin.study
    assert not any(secret in repr(one) for secret in volumes.SECRETS)


WEIGHTINGS = [
    ("T1", {"sequence": ("GR", "IR"), "echo_ms": 2.98, "repetition_ms": 2300, "inversion_ms": 900}),
    ("T1", {"sequence": ("GR",), "echo_ms": 4.6, "repetition_ms": 9.8}),
    ("T1", {"sequence": ("SE",), "echo_ms": 12, "repetition_ms": 500}),
    ("T1", {"sequence": ("SE", "IR"), "echo_ms": 10, "repetition_ms": 2000, "inversion_ms": 860}),
    ("T2", {"sequence": ("SE",), "echo_ms": 100, "repetition_ms": 4500}),
    ("T2", {"sequence": ("SE",), "echo_ms": 400, "repetition_ms": 3200}),
    ("PD", {"sequence": ("SE",), "echo_ms": 15, "repetition_ms": 3000}),
    ("FLAIR", {"sequence": ("SE", "IR"), "echo_ms": 125, "repetition_ms": 9000, "inversion_ms": 2500}),
    ("STIR", {"sequence": ("SE", "IR"), "echo_ms": 60, "repetition_ms": 4000, "inversion_ms": 160}),
    ("T2*", {"sequence": ("GR",), "echo_ms": 25, "repetition_ms": 700}),
    ("EPI", {"sequence": ("EP", "GR"), "echo_ms": 30, "repetition_ms": 2000}),
    ("MRA", {"sequence": ("GR",), "echo_ms": 3.5, "repetition_ms": 22, "description": "tof 3d"}),
    ("MRA", {"sequence": ("GR",), "echo_ms": 3.5, "repetition_ms": 22, "angiography": True}),
    ("a map of diffusion", {"image_type": ("DERIVED", "PRIMARY", "ADC")}),
    ("a phase image", {"image_type": ("ORIGINAL", "PRIMARY", "P", "ND"), "sequence": ("GR",), "echo_ms": 4}),
    ("FLAIR", {"description": "flair cor"}),
    ("T1", {"description": "t1 mpr"}),
    ("", {"description": "head"}),
    ("", {}),
]


@pytest.mark.parametrize(("weighting", "values"), WEIGHTINGS)
def test_the_weighting_is_told_by_times_and_words(weighting: str, values: dict[str, object]) -> None:
    assert Acquisition(**values).weighting == weighting  # type: ignore[arg-type]


def test_only_technical_words_of_a_description_are_kept() -> None:
    assert technical_words("T1w_MPR ADAMS^EVE 1947-01-02 #4711 (Dr. Grey) 0.9mm +C sag") == "t1w mpr 0.9mm +c sag"
    assert technical_words("St. Elsewhere Ward 3 Müller") == ""


COMPRESSED = ("JPEG 2000", "JPEG-LS", "JPEG lossless", "RLE", "RLE of colours", "RLE of bytes")
DAMAGES = """
import sys
import numpy as np
from core.errors import ScanError
from core.scans import read_scan
from tests.scans.test_dicom import compressed_file
whole, value = compressed_file(sys.argv[1])
begin = whole.index(value[:12])
draw = np.random.default_rng(0)
for trial in range(400):
    damaged = bytearray(whole)
    for _ in range(draw.integers(1, 4)):
        reach = 80 if trial % 2 else len(whole) - begin  # a frame's header, or all of it
        damaged[begin + draw.integers(0, reach)] = draw.integers(0, 256)
    try:
        assert np.isfinite(read_scan({"a": bytes(damaged)}).grey()).all()
    except ScanError:
        pass
"""


def compressed_file(name: str) -> tuple[bytes, bytes]:
    """Return a compressed image, and the first frame of it as it is stored."""
    if name == "RLE of colours":
        colours = np.stack([volumes.PICTURE // 16, volumes.PICTURE // 17, volumes.PICTURE // 20], -1).astype(np.uint8)
        whole = volumes.compressed(colours, pydicom.uid.RLELossless)
    elif name == "RLE of bytes":
        whole = volumes.compressed((volumes.PICTURE // 16).astype(np.uint8), pydicom.uid.RLELossless)
    else:
        whole = volumes.known_dicom()[name][0]
    pixels = pydicom.dcmread(io.BytesIO(whole)).PixelData
    return whole, next(pydicom.encaps.generate_frames(pixels, number_of_frames=1))


@pytest.mark.parametrize("name", COMPRESSED)
def test_no_damage_of_a_compressed_frame_ends_the_process(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", DAMAGES, name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.returncode} {done.stderr[-1000:]}"


@pytest.mark.parametrize("name", ["RLE", "RLE of colours", "RLE of bytes"])
def test_run_length_frames_are_what_pydicom_reads(name: str) -> None:
    whole, frame = compressed_file(name)
    read = pydicom.dcmread(io.BytesIO(whole)).pixel_array
    out = np.zeros(read.shape, read.dtype)
    _run_length(frame, out)
    np.testing.assert_array_equal(out, read)


@pytest.mark.parametrize(
    ("at", "value"), [(0, 3), (0, 0), (4, 63), (4, 2**31), (8, 2**32 - 1), (8, 0)], ids=lambda value: f"{value}"
)
def test_a_run_length_frame_whose_segments_lie_elsewhere_is_damaged(at: int, value: int) -> None:
    whole, frame = compressed_file("RLE")
    header = bytearray(frame[:64])
    header[at : at + 4] = value.to_bytes(4, "little")
    with pytest.raises(ScanError, match="frame 1 is damaged: it cannot be decoded as RLE Lossless"):
        read_scan({"a": whole.replace(frame[:64], bytes(header))})
