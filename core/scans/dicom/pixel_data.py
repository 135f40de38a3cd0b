"""DICOM pixel data to arrays: native, run-length and the JPEG family, each frame checked against the header.

PS3.5, sections 8 and A.4. pydicom splits the encapsulated stream into frames; imagecodecs, which also reads pictures,
decodes each into an array of the size in the header, so that no codestream can ask for more memory than that.
"""

from collections.abc import Callable

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.uid import UID

from core.errors import ScanError

Pixels = NDArray[np.generic]
Decode = Callable[[bytes, Pixels], object]
BIG_ENDIAN = "1.2.840.10008.1.2.2"
NATIVE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", BIG_ENDIAN})


def _jpeg(frame: bytes, out: Pixels) -> object:
    return imagecodecs.jpeg_decode(frame, out=out)


def _jpeg_ls(frame: bytes, out: Pixels) -> object:
    return imagecodecs.jpegls_decode(frame, out=out)


def _jpeg_2000(frame: bytes, out: Pixels) -> object:
    return imagecodecs.jpeg2k_decode(frame, out=out)


def _run_length(frame: bytes, out: Pixels) -> object:
    decoded = np.frombuffer(imagecodecs.dicomrle_decode(frame, out.dtype), out.dtype)
    out[...] = decoded.reshape(out.shape)
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


def decode_frames(data: bytes, uid: str, shape: tuple[int, int, int], *, bits: tuple[int, int], signed: bool) -> Pixels:
    """Decode every frame of one object.

    Args:
        data: The value of Pixel Data.
        uid: The transfer syntax, one that `check_transfer_syntax` accepts.
        shape: Frames, rows and columns as the header states them, already checked.
        bits: Bits allocated (8, 16 or 32) and bits stored.
        signed: Whether the stored bits are in two's complement.

    Returns:
        Integers, frames × rows × columns.

    Raises:
        ScanError: There are fewer bytes or frames than the header states, or a frame is damaged.
    """
    allocated, stored = bits
    dtype = np.dtype(f"u{allocated // 8}")
    if uid in NATIVE:
        frames = _native(data, shape, dtype.newbyteorder(">" if uid == BIG_ENDIAN else "<"))
    else:
        frames = _compressed(data, uid, shape, dtype)
    return _true_values(frames, stored, signed=signed)


def _native(data: bytes, shape: tuple[int, int, int], dtype: np.dtype) -> Pixels:
    count = shape[0] * shape[1] * shape[2]
    if len(data) < count * dtype.itemsize:
        needed = count * dtype.itemsize
        raise ScanError(
            f"the pixel data is incomplete ({len(data):,} of {needed:,} bytes): please export or copy the file again."
        )
    return np.frombuffer(data, dtype, count).reshape(shape)


def _compressed(data: bytes, uid: str, shape: tuple[int, int, int], dtype: np.dtype) -> Pixels:
    codec, decode = UID(uid).name, COMPRESSED[uid]
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
