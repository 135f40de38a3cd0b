"""Decoding with Pillow, shared by the formats it reads faithfully (JPEG, BMP, most PNG)."""

import io
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

from core.errors import ScanError
from core.scans.raster import check_size, scan_from_pixels
from core.scans.scan import Scan

DECODING_ERRORS = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, zlib.error, MemoryError)
CMYK_WARNING = "A picture in printing colours (CMYK), converted to grey; MRI scans have no colour."
MODES = {
    "1": "1-bit black and white",
    "L": "8-bit grey",
    "LA": "8-bit grey with transparency",
    "P": "palette",
    "PA": "palette with transparency",
    "RGB": "8-bit colour",
    "RGBA": "8-bit colour with transparency",
    "CMYK": "8-bit printing colours",
    "F": "32-bit float",
    "I": "32-bit grey",
}


def read_with_pillow(data: bytes, format_name: str, *, of_several: str = "") -> Scan:
    """Decode one picture and make a Scan of it, turned upright according to its EXIF orientation.

    Args:
        data: The file.
        format_name: Pillow's name for the one format allowed, such as "JPEG".
        of_several: What to say where there are several frames, of which the first is read.

    Raises:
        ScanError: The file is damaged, incomplete, or of a size that is not accepted.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # check_size is stricter
            with Image.open(io.BytesIO(data), formats=[format_name]) as image:
                check_size(image.height, image.width)
                image.load()
                frames = getattr(image, "n_frames", 1)
                upright = ImageOps.exif_transpose(image)
                scan = _scan(upright, data, format_name)
                return scan.with_warnings(of_several) if of_several and frames > 1 else scan
    except Image.DecompressionBombError as error:
        raise ScanError(f"the {format_name} picture claims to have more pixels than any scan.") from error
    except DECODING_ERRORS as error:
        raise ScanError(
            f"the {format_name} data is damaged or incomplete: please export or copy the file again."
        ) from error


def _scan(image: Image.Image, data: bytes, format_name: str) -> Scan:
    mode = image.mode
    source = f"{format_name}, {_depth(mode)}"
    if mode == "CMYK":
        return scan_from_pixels(np.asarray(image.convert("RGB")), data, source).with_warnings(CMYK_WARNING)
    if mode in {"P", "PA"} or (mode in {"1", "L", "RGB"} and "transparency" in image.info):
        image = image.convert("RGBA")
    elif mode in {"YCbCr", "LAB", "HSV", "RGBX"}:
        image = image.convert("RGB")
    if image.mode in {"LA", "RGBA"}:
        bands = np.asarray(image)
        colour = bands[..., 0] if image.mode == "LA" else bands[..., :3]
        return scan_from_pixels(colour, data, source, alpha=bands[..., -1])
    pixels = np.asarray(image)
    if mode.startswith("I;16"):
        pixels = pixels.astype(np.uint16)
    return scan_from_pixels(pixels, data, source)


def _depth(mode: str) -> str:
    return "16-bit grey" if mode.startswith("I;16") else MODES.get(mode, mode)
