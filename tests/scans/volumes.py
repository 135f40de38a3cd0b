"""DICOM, NIfTI, Analyze and zip files for the tests, written by pydicom and nibabel, the good and the broken."""

import functools
import gzip
import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable

import imagecodecs
import nibabel
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

MR = "1.2.840.10008.5.1.4.1.1.4"
# A head-like block with no symmetry: 20 × 24 × 28 along RAS+, 2 × 1.5 × 1 mm, whole numbers up to 2047.
SHAPE, SPACING = (20, 24, 28), (2.0, 1.5, 1.0)
_i, _j, _k = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
BLOCK = (100 + 40 * _i + 25 * _j + 12 * _k + 5 * ((_i * _j * _k) % 7)).astype(np.int16)
AFFINE = np.diag([*SPACING, 1.0])
AFFINE[:3, 3] = (-21.0, -17.0, -9.0)
SECRETS = ("Doe^Jane", "ID-314159", "19470102", "St. Elsewhere")


def dicom_bytes(dataset: Dataset, *, preamble: bytes | None = b"\0" * 128) -> bytes:
    """Write a data set as a file; without preamble as some old scanners did."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some are wrong on purpose
        dataset.save_as(stream, enforce_file_format=True)
    data = stream.getvalue()
    return data[132:] if preamble is None else preamble + data[128:]


def image(pixels: np.ndarray, **attributes: object) -> Dataset:
    """Make one MR image object of a person whose name must not come out anywhere."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = MR
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.SOPClassUID = MR
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate, dataset.InstitutionName = SECRETS
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID, dataset.Modality = "1.2.3.4", "1.2.3", "MR"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def series(
    block: np.ndarray = BLOCK, affine: np.ndarray = AFFINE, *, axes: str = "LPS", **attributes: object
) -> list[Dataset]:
    """Cut a RAS+ block into one image a slice: columns, rows and slices run to the letters of `axes`."""
    turn = nibabel.orientations.axcodes2ornt(tuple(axes))
    start = nibabel.orientations.axcodes2ornt(("R", "A", "S"))
    change = nibabel.orientations.ornt_transform(start, turn)
    stored = nibabel.orientations.apply_orientation(block, change)
    aligned = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine @ nibabel.orientations.inv_ornt_aff(change, block.shape)
    steps = np.linalg.norm(aligned[:3, :3], axis=0)
    made = []
    for number in range(stored.shape[2]):
        made.append(
            image(
                stored[:, :, number].T.copy(),
                ImagePositionPatient=[float(x) for x in aligned[:3, 3] + number * aligned[:3, 2]],
                ImageOrientationPatient=[float(x) for x in (aligned[:3, :2] / steps[:2]).T.ravel()],
                PixelSpacing=[float(steps[1]), float(steps[0])],
                InstanceNumber=number + 1,
                SliceThickness=float(steps[2]),
            )
        )
        for keyword, value in attributes.items():
            setattr(made[-1], keyword, value)
    return made


def files(datasets: list[Dataset]) -> dict[str, bytes]:
    """Name and write a series, in an order unrelated to that of the slices."""
    order = np.random.default_rng(7).permutation(len(datasets))
    return {f"IM{index:04d}": dicom_bytes(datasets[number]) for index, number in enumerate(order)}


def multi_frame(block: np.ndarray = BLOCK) -> bytes:
    """Write the block as one enhanced object, its frames in reverse order."""
    slices = series(block)[::-1]
    whole = image(np.stack([np.frombuffer(one.PixelData, "<i2").reshape(one.Rows, one.Columns) for one in slices]))
    whole.NumberOfFrames = len(slices)
    measures, plane = Dataset(), Dataset()
    measures.PixelSpacing = slices[0].PixelSpacing
    plane.ImageOrientationPatient = slices[0].ImageOrientationPatient
    shared = Dataset()
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([plane])
    whole.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for one in slices:
        position, group = Dataset(), Dataset()
        position.ImagePositionPatient = one.ImagePositionPatient
        group.PlanePositionSequence = Sequence([position])
        groups.append(group)
    whole.PerFrameFunctionalGroupsSequence = Sequence(groups)
    return dicom_bytes(whole)


def nifti(
    block: np.ndarray = BLOCK, affine: np.ndarray = AFFINE, kind: type = nibabel.Nifti1Image, axes: str = "RAS"
) -> bytes:
    """Write a block as .nii, stored along the axes named."""
    made = kind(block, affine)
    target = nibabel.orientations.axcodes2ornt(tuple(axes))
    return made.as_reoriented(nibabel.orientations.ornt_transform(nibabel.io_orientation(affine), target)).to_bytes()


def analyze(block: np.ndarray = BLOCK, *, big_endian: bool = True, orient: int = 0) -> dict[str, bytes]:
    """Write a RAS+ block as an Analyze 7.5 pair, stored along the axes that its orientation byte means."""
    from core.scans.nifti import ANALYZE_AXES

    target = nibabel.orientations.axcodes2ornt(tuple(ANALYZE_AXES[orient]))
    change = nibabel.orientations.ornt_transform(nibabel.orientations.axcodes2ornt(("R", "A", "S")), target)
    stored = nibabel.orientations.apply_orientation(block, change)
    header = nibabel.AnalyzeHeader(endianness=">" if big_endian else "<")
    header.set_data_dtype(np.int16)
    header.set_data_shape(stored.shape)
    header.set_zooms([SPACING[int(axis)] for axis in target[:, 0]])
    head = bytearray(header.binaryblock)
    head[252] = orient
    return {
        "OAS1_mpr.hdr": bytes(head),
        "OAS1_mpr.img": stored.astype(">i2" if big_endian else "<i2").tobytes(order="F"),
    }


def zipped(members: dict[str, bytes], **options: object) -> bytes:
    """Pack files into a zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # no hour, so always the same bytes
    return stream.getvalue()


PICTURE = (np.arange(32 * 40).reshape(32, 40) * 3).astype(np.uint16)  # 0 to 3837: 12 bits


def compressed(pixels: np.ndarray, uid: UID) -> bytes:
    """Write one image in a compressed transfer syntax."""
    encode: dict[UID, Callable[[np.ndarray], bytes]] = {
        JPEG2000Lossless: lambda one: imagecodecs.jpeg2k_encode(one, codecformat="j2k", level=0, reversible=True),
        JPEGLSLossless: imagecodecs.jpegls_encode,
        JPEGLosslessSV1: lambda one: imagecodecs.jpeg_encode(one, lossless=True, bitspersample=16),
        JPEGBaseline8Bit: lambda one: imagecodecs.jpeg_encode(one, level=95),
    }
    dataset = image(pixels)
    if uid == RLELossless:
        dataset.compress(RLELossless)
        return dicom_bytes(dataset)
    dataset.PixelData = encapsulate([encode[uid](pixels)])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = uid
    return dicom_bytes(dataset)


def in_syntax(uid: UID) -> bytes:
    """Write the picture in an uncompressed transfer syntax."""
    dataset = image(PICTURE)
    dataset.file_meta.TransferSyntaxUID = uid
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _changed(**attributes: object) -> bytes:
    return dicom_bytes(image(PICTURE, **attributes))


def _without(*keywords: str) -> bytes:
    dataset = image(PICTURE)
    for keyword in keywords:
        delattr(dataset, keyword)
    return dicom_bytes(dataset)


def _garbled(uid: UID) -> bytes:
    dataset = image(PICTURE.astype(np.uint8) if uid == JPEGBaseline8Bit else PICTURE)
    dataset.PixelData = encapsulate([bytes(range(256)) * 4])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = uid
    return dicom_bytes(dataset)


def _unknown_syntax() -> bytes:
    return _changed().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.99999.9.9.9\0")


def deflate_bomb() -> bytes:
    """Make an object of 0.5 MB whose deflated data set grows to 512 MB."""
    data = in_syntax(DeflatedExplicitVRLittleEndian)
    (length,) = struct.unpack_from("<I", data, 140)
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    megabyte = b"\0" * 2**20
    return data[: 144 + length] + b"".join(engine.compress(megabyte) for _ in range(512)) + engine.flush()


def nested_sequences(depth: int = 5000) -> bytes:
    """Make an object whose sequences are nested so deeply that a parser by recursion gives up."""
    opening = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    return dicom_bytes(image(PICTURE))[:132] + _meta() + opening * depth


def _meta() -> bytes:
    data = dicom_bytes(image(PICTURE))
    (length,) = struct.unpack_from("<I", data, 140)
    return data[132 : 144 + length]


def _long_value() -> bytes:
    return (
        dicom_bytes(image(PICTURE))[:132]
        + _meta()
        + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 0xFFFFFFF0)
        + b"abc"
    )


def dicomdir() -> bytes:
    """Make a table of contents that points outside its disc."""
    dataset = image(PICTURE)
    for keyword in ("PixelData", "Rows", "Columns", "Modality"):
        delattr(dataset, keyword)
    record = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is wrong is the point
        record.ReferencedFileID = ["..", "..", "ETC", "PASSWD"]
    dataset.DirectoryRecordSequence = Sequence([record])
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    return dicom_bytes(dataset)


def structure_set() -> bytes:
    """Make an RTSTRUCT object, which has no pixels."""
    dataset = image(PICTURE, Modality="RTSTRUCT")
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(dataset, keyword)
    return dicom_bytes(dataset)


@functools.cache
def broken_dicom() -> dict[str, bytes]:
    """Return every DICOM case that must be rejected."""
    whole = dicom_bytes(image(PICTURE))
    return {
        "132 bytes": whole[:132],
        "cut header": whole[:300],
        "cut pixels": whole[:-100],
        "text": b"These are the results of the examination.\n" * 20,
        "65535 rows and columns": _changed(Rows=65535, Columns=65535),
        "65535 x 65535 x 2000 frames": _changed(Rows=65535, Columns=65535, NumberOfFrames=2000),
        "no rows": _changed(Rows=0),
        "minus one frames": _changed(NumberOfFrames=-1),
        "7 bits": _changed(BitsAllocated=7, BitsStored=7),
        "no pixels": _without("PixelData"),
        "unknown photometric": _changed(PhotometricInterpretation="MONOCHROME9"),
        "unknown transfer syntax": _unknown_syntax(),
        "deflate bomb": deflate_bomb(),
        "5000 nested sequences": nested_sequences(),
        "value beyond the file": _long_value(),
        "RTSTRUCT": structure_set(),
        "DICOMDIR pointing outside": dicomdir(),
        **{
            f"garbage in {uid.name}": _garbled(uid)
            for uid in (JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless)
        },
    }


@functools.cache
def unusual_dicom() -> dict[str, tuple[bytes, str]]:
    """Return every DICOM case that is read with a warning, and a part of the warning."""
    return {
        "no preamble": (dicom_bytes(image(PICTURE), preamble=None), "preamble"),
        "rescale slope 0": (_changed(RescaleSlope=0, RescaleIntercept=0), "slope"),
        "CT": (_changed(Modality="CT"), "CT scan"),
        "burnt-in annotation": (_changed(BurnedInAnnotation="YES"), "burnt"),
    }


@functools.cache
def known_dicom() -> dict[str, tuple[bytes, np.ndarray]]:
    """Return single DICOM images with the values they must have."""
    values = PICTURE.astype(np.float32)
    signed = (PICTURE.astype(np.int16) - 2000).clip(-2048, 2047)
    twelve = image(signed & 0x0FFF, PixelRepresentation=1, BitsStored=12, HighBit=11)
    eight = (PICTURE // 16).astype(np.uint8)
    bad_charset = image(PICTURE, SpecificCharacterSet="ISO_IR 999")
    return {
        "explicit": (dicom_bytes(image(PICTURE)), values),
        "implicit": (in_syntax(ImplicitVRLittleEndian), values),
        "deflated": (in_syntax(DeflatedExplicitVRLittleEndian), values),
        "MZ preamble": (dicom_bytes(image(PICTURE), preamble=b"MZ".ljust(128, b"\x90")), values),
        "ELF preamble": (dicom_bytes(image(PICTURE), preamble=b"\x7fELF".ljust(128, b"\1")), values),
        "MONOCHROME1": (
            _changed(PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11),
            4095 - values,
        ),
        "rescaled": (_changed(RescaleSlope=0.5, RescaleIntercept=-10), values * 0.5 - 10),
        "signed 12-bit": (dicom_bytes(twelve), signed.astype(np.float32)),
        "bad charset": (dicom_bytes(bad_charset), values),
        "JPEG 2000": (compressed(PICTURE, JPEG2000Lossless), values),
        "JPEG-LS": (compressed(PICTURE, JPEGLSLossless), values),
        "JPEG lossless": (compressed(PICTURE, JPEGLosslessSV1), values),
        "RLE": (compressed(PICTURE, RLELossless), values),
        "8-bit": (dicom_bytes(image(eight)), eight.astype(np.float32)),
    }


def forged_zip() -> bytes:
    """Make an archive whose directory says 10 bytes of a member that unpacks to 64 MB."""
    data = bytearray(zipped({"scan.nii": b"\0" * (64 * 2**20)}))
    index = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, index + 24, 10)
    return bytes(data)


def encrypted_zip() -> bytes:
    """Make an archive that says its member is encrypted."""
    data = bytearray(zipped({"scan.nii": nifti()}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


def linked_zip() -> bytes:
    """Make an archive that holds a symbolic link."""
    info = zipfile.ZipInfo("scan.nii")
    info.external_attr = 0o120777 << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return stream.getvalue()


def crowded_zip() -> bytes:
    """Make an archive of 100,000 empty members."""
    return zipped({f"{number}": b"" for number in range(100_000)})


@functools.cache
def broken_zip() -> dict[str, bytes]:
    """Return every archive that must be rejected."""
    return {
        "leads up": zipped({"../scan.nii": nifti()}),
        "absolute": zipped({"/tmp/scan.nii": nifti()}),  # noqa: S108
        "leads up with backslashes": zipped({"..\\scan.nii": nifti()}),
        "symbolic link": linked_zip(),
        "500 MB of zeros": zipped({f"{n}.nii": b"\0" * (100 * 2**20) for n in range(5)}),
        "forged size": forged_zip(),
        "100 000 members": crowded_zip(),
        "nested": zipped({"inner.zip": zipped({"scan.nii": nifti()})}),
        "encrypted": encrypted_zip(),
        "no image": zipped({"readme.txt": b"nothing here"}),
        "empty": zipped({}),
        "cut": zipped(files(series()))[:-200],
    }


def header_with(**fields: object) -> bytes:
    """Write the block as .nii with some header fields forged."""
    made = nibabel.Nifti1Image(BLOCK, AFFINE)
    data = made.to_bytes()
    header = made.header.structarr.copy()
    for name, value in fields.items():
        if name == "dim":
            header["dim"][: len(value)] = value
        else:
            header[name] = value
    return header.tobytes() + data[348:]


def gzip_bomb() -> bytes:
    """Make gzip data of a valid NIfTI file followed by a gigabyte of zeros."""
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = b"\0" * (16 * 2**20)
    return engine.compress(nifti()) + b"".join(engine.compress(zeros) for _ in range(64)) + engine.flush()


@functools.cache
def broken_nifti() -> dict[str, dict[str, bytes]]:
    """Return every NIfTI and Analyze case that must be rejected, as the files given."""
    whole, pair = nifti(), analyze()
    missing = np.full(SHAPE, np.nan, np.float32)
    claims = {
        "30000 cubed": {"dim": [3, 30000, 30000, 30000]},
        "2000 cubed": {"dim": [3, 2000, 2000, 2000]},
        "dimension -5": {"dim": [3, -5, 24, 28]},
        "dimension 0": {"dim": [3, 0, 24, 28]},
        "count 9": {"dim": [9, 20, 24, 28]},
        "unknown datatype": {"datatype": 77},
        "offset NaN": {"vox_offset": np.nan},
        "2 GB extension": {"vox_offset": 2.0**31},
    }
    return {
        "cut": {"a.nii": whole[:-1000]},
        "cut gzip": {"a.nii.gz": gzip.compress(whole)[:-500]},
        "2000 cubed in 100 bytes": {"a.nii.gz": gzip.compress(header_with(dim=[3, 2000, 2000, 2000])[:400])},
        "gzip bomb": {"a.nii.gz": gzip_bomb()},
        **{name: {"a.nii": header_with(**fields)} for name, fields in claims.items()},
        "all NaN": {"a.nii": nifti(missing)},
        "complex": {"a.nii": nifti(BLOCK.astype(np.complex64))},
        "plain file named .gz": {"a.nii.gz": whole},
        "text named .nii.gz": {"a.nii.gz": b"not a scan at all"},
        "header without image": {"a.hdr": pair["OAS1_mpr.hdr"]},
        "image without header": {"a.img": pair["OAS1_mpr.img"]},
        "short image": {"a.hdr": pair["OAS1_mpr.hdr"], "a.img": pair["OAS1_mpr.img"][:-2]},
    }
