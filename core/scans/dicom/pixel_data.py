"""DICOM pixel data to arrays: native, run-length and the JPEG family, each frame checked against the header.

PS3.5, sections 8 and A.4. pydicom splits the encapsulated stream into frames; imagecodecs, which also reads pictures,
decodes each into an array of the size in the header, so that no codestream can ask for more memory than that.
"""

from collections.abc import Callable
from dataclasses import dataclass

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.uid import UID

from core.errors import ScanError

Pixels = NDArray[np.generic]
Decode = Callable[[bytes, Pixels], object]
RLE_HEADER = 64  # bytes: how many segments there are, and where up to 15 of them begin
BIG_ENDIAN = "1.2.840.10008.1.2.2"
NATIVE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", BIG_ENDIAN})


@dataclass(frozen=True)
class Stored:
    """How an object stores its pixels, as its header states and as is checked.

    Attributes:
        shape: Frames, rows and columns.
        allocated: Bits allocated: 8, 16 or 32.
        bits: Bits stored.
        signed: Whether they are in two's complement.
        photometric: Photometric Interpretation, one of `core.scans.dicom.colour.KNOWN`.
        by_plane: Whether the three samples of a colour are stored plane by plane.
    """

    shape: tuple[int, int, int]
    allocated: int
    bits: int
    signed: bool
    photometric: str
    by_plane: bool = False

    @property
    def samples(self) -> int:
        """Values a pixel: 3 of colours, else 1."""
        return 3 if self.photometric == "RGB" or self.photometric.startswith("YBR") else 1

    @property
    def whole(self) -> tuple[int, ...]:
        """Frames, rows and columns, and samples where there are several."""
        return self.shape if self.samples == 1 else (*self.shape, self.samples)


def _jpeg(frame: bytes, out: Pixels) -> object:
    return imagecodecs.jpeg_decode(frame, out=out)


def _jpeg_of_rgb(frame: bytes, out: Pixels) -> object:
    """Decode without a change of colours, whatever a codec would guess of a stream that does not say what it holds."""
    return imagecodecs.jpeg_decode(frame, colorspace="RGB", outcolorspace="RGB", out=out)


def _jpeg_ls(frame: bytes, out: Pixels) -> object:
    return imagecodecs.jpegls_decode(frame, out=out)


def _jpeg_2000(frame: bytes, out: Pixels) -> object:
    return imagecodecs.jpeg2k_decode(frame, out=out)


def _run_length(frame: bytes, out: Pixels) -> object:
    """Decode a frame of PS3.5, annex G: a segment for each byte of a value, the highest first, of each sample.

    Each is decoded on its own into a plane of its size. imagecodecs' decoder of whole frames believes the places of the
    segments, which may lie outside the frame, and then ends the process.
    """
    samples, size = out.shape[2] if out.ndim == 3 else 1, out.dtype.itemsize
    count, *starts = np.frombuffer(frame, "<u4", RLE_HEADER // 4).tolist()
    if count != samples * size:
        raise ValueError(f"{count} segments in place of {samples * size}")
    bounds = [*starts[:count], len(frame)]
    if bounds[0] < RLE_HEADER or bounds != sorted(bounds):
        raise ValueError("segments outside of the frame")
    planes = np.empty((samples, size, out.shape[0] * out.shape[1]), np.uint8)
    for plane, start, end in zip(planes.reshape(count, -1), bounds, bounds[1:], strict=False):
        plane[:] = np.frombuffer(imagecodecs.packbits_decode(frame[start:end], out=len(plane)), np.uint8, len(plane))
    values = np.ascontiguousarray(planes.transpose(2, 0, 1)).view(out.dtype.newbyteorder(">"))
    out[...] = values.reshape(out.shape)
    return out


COMPRESSED: dict[str, Decode] = {
    "1.2.840.10008.1.2.4.50": _jpeg,
    "1.2.840.10008.1.2.4.51": _jpeg,
    "1.2.840.10008.1.2.4.57": _jpeg,
    "1.2.840.10008.1.2.4.70": _jpeg,
    "1.2.840.10008.1.2.4.80": _jpeg_ls,
    "1.2.840.10008.1.2.4.81": _jpeg_ls,
    "1.2.840.10008.1.2.4.90": _jpeg_2000,
    "1.2.840.10008.1.2.4.91": _jpeg_2000,
    "1.2.840.10008.1.2.4.201": _jpeg_2000,
    "1.2.840.10008.1.2.4.202": _jpeg_2000,
    "1.2.840.10008.1.2.4.203": _jpeg_2000,
    "1.2.840.10008.1.2.5": _run_length,
}
# imagecodecs' own errors are subclasses of these.
CODEC_ERRORS = (ValueError, RuntimeError, TypeError, IndexError, OverflowError, MemoryError)


def check_transfer_syntax(uid: str) -> None:
    """Reject a compression that is not supported, naming it.

    Raises:
        ScanError: The transfer syntax is unknown, or is video.
    """
    if uid not in NATIVE and uid not in COMPRESSED:
        name = UID(uid).name if uid and UID(uid).is_transfer_syntax else "an unknown transfer syntax"
        raise ScanError(f"the DICOM image is stored as {name}, which is not supported; export it uncompressed.")


def decodes_to_rgb(uid: str) -> bool:
    """Tell whether decoding turns any colour into RGB: the JPEG family does, native and run-length data stay."""
    return uid in COMPRESSED and COMPRESSED[uid] is not _run_length


def decode_frames(data: bytes, uid: str, stored: Stored) -> Pixels:
    """Decode every frame of one object.

    Args:
        data: The value of Pixel Data.
        uid: The transfer syntax, one that `check_transfer_syntax` accepts.
        stored: What the header states, already checked.

    Returns:
        Integers, frames × rows × columns, × 3 of colours.

    Raises:
        ScanError: There are fewer bytes or frames than the header states, or a frame is damaged.
    """
    dtype = np.dtype(f"u{stored.allocated // 8}")
    if uid in NATIVE:
        frames = _native(data, stored, dtype.newbyteorder(">" if uid == BIG_ENDIAN else "<"))
    else:
        frames = _compressed(data, uid, stored, dtype)
    return _true_values(frames, stored.bits, signed=stored.signed)


def _native(data: bytes, stored: Stored, dtype: np.dtype) -> Pixels:
    frames, rows, columns = stored.shape
    halved = stored.photometric.endswith("_422")  # two pixels share their colour: luma, luma, blue, red
    shape = (frames, rows, columns // 2, 4) if halved else stored.whole
    count = int(np.prod(shape))
    if len(data) < count * dtype.itemsize:
        needed = count * dtype.itemsize
        raise ScanError(
            f"the pixel data is incomplete ({len(data):,} of {needed:,} bytes): please export or copy the file again."
        )
    flat = np.frombuffer(data, dtype, count)
    if halved:
        pairs = flat.reshape(shape)
        whole = np.empty((frames, rows, columns // 2, 2, 3), dtype)
        whole[..., 0], whole[..., 1:] = pairs[..., :2], pairs[..., None, 2:]
        return whole.reshape(frames, rows, -1, 3)
    if stored.samples == 3 and stored.by_plane:
        return np.moveaxis(flat.reshape(frames, 3, rows, columns), 1, -1)
    return flat.reshape(shape)


def _compressed(data: bytes, uid: str, stored: Stored, dtype: np.dtype) -> Pixels:
    codec, decode, shape = UID(uid).name, COMPRESSED[uid], stored.whole
    if decode is _jpeg and stored.photometric == "RGB":
        decode = _jpeg_of_rgb
    frames = np.zeros(shape, dtype)
    done = 0
    try:
        for frame in generate_frames(data, number_of_frames=shape[0]):
            if done == shape[0]:
                break
            decode(frame, frames[done])
            done += 1
    except CODEC_ERRORS as error:
        raise ScanError(f"frame {done + 1} is damaged: it cannot be decoded as {codec}.") from error
    if done < shape[0]:
        raise ScanError(f"the pixel data is incomplete ({done} of {shape[0]} frames): please export the file again.")
    return frames


def _true_values(frames: Pixels, stored: int, *, signed: bool) -> Pixels:
    """Clear the bits beyond those stored, or extend the sign into them (PS3.5, 8.1.1)."""
    spare = frames.dtype.itemsize * 8 - stored
    native = frames.astype(frames.dtype.newbyteorder("="), copy=False)
    if not signed:
        return native if spare == 0 else native & np.array((1 << stored) - 1, native.dtype)
    as_signed = native.view(native.dtype.str.replace("u", "i"))
    return as_signed if spare == 0 else (as_signed << spare) >> spare
