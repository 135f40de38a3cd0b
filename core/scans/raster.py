"""From the decoded pixels of a picture file to a Scan: depth, colour, transparency, size.

The rules, each with one well-defined result:

* 8-bit values are kept; black is 0, white 255. 1-, 2- and 4-bit grey levels are spread over 0 to 255 by their decoder.
* 16-bit values are kept; white is 65535, or 4095 when no value is larger (12 bits in a 16-bit file).
* Other integers and floats are kept; white is 1 for floats within [0, 1], 255 for floats within [0, 255],
  and otherwise black and white are the smallest and largest value.
* Colour becomes grey by ITU-R BT.601 luma, 0.299 R + 0.587 G + 0.114 B; three equal channels keep their values.
* Transparent pictures are drawn over black.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from core.errors import ScanError
from core.scans.scan import Scan

MAX_PIXELS = 25_000_000  # 5,000 × 5,000: four times the size of the largest radiograph, 100 MB as float32
LARGEST = float(np.finfo(np.float32).max)
MIN_SIDE = 16  # below this no anatomy is left
MAX_ASPECT = 8.0
LUMA = np.array([0.299, 0.587, 0.114])
COLOURED = "A colour picture, converted to grey; MRI scans have no colour."
COLOUR_TOLERANCE = 0.04  # of the range: JPEG's chroma rounding stays below, a coloured picture does not


def check_size(height: int, width: int, *, limit: int = MAX_PIXELS) -> None:
    """Reject a size that no scan has, before anything is decoded.

    Raises:
        ScanError: The picture is too small, too narrow or too large.
    """
    if height < 1 or width < 1 or height * width > limit:
        raise ScanError(
            f"the picture claims to have {width} × {height} pixels; at most {limit // 1_000_000} megapixels are read."
        )
    if min(height, width) < MIN_SIDE:
        raise ScanError(f"the picture has {width} × {height} pixels; each side must have at least {MIN_SIDE}.")
    if max(height, width) / min(height, width) > MAX_ASPECT:
        raise ScanError(
            f"the picture has {width} × {height} pixels; one side may be at most {MAX_ASPECT:g} times the other."
        )


def scan_from_pixels(
    pixels: NDArray[np.generic], data: bytes, source: str, *, alpha: NDArray[np.generic] | None = None
) -> Scan:
    """Make a Scan from decoded pixels by the rules of this module.

    Args:
        pixels: H × W (grey) or H × W × 3 (RGB), any integer or float dtype.
        data: The bytes they came from; the scan's name is derived from them.
        source: Format and depth in words.
        alpha: H × W of the same dtype; the largest value is opaque.

    Raises:
        ScanError: Values are missing (NaN or infinite), or are not real numbers.
    """
    if pixels.dtype.kind not in "buif":
        raise ScanError(f"the picture holds {pixels.dtype} values; only whole and real numbers are read.")
    if pixels.dtype.kind == "f" and not (np.abs(pixels) <= LARGEST).all():  # false for NaN too
        raise ScanError(
            "the picture holds values that are not numbers (NaN, infinite, or too large for a 32-bit float)."
        )
    if pixels.dtype.kind == "b":
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    warnings: list[str] = []
    window = _window(pixels, warnings)
    grey = _grey(pixels, window, warnings)
    if alpha is not None:
        grey = _over_black(grey, alpha, warnings)
    if grey.min() == grey.max():
        warnings.append("Every pixel has the same value: there is nothing to see in this picture.")
    return Scan(
        voxels=np.ascontiguousarray(grey, np.float32),
        window=window,
        name=generated_name(data),
        source=source,
        warnings=tuple(warnings),
    )


def generated_name(*parts: bytes) -> str:
    """Name a scan by its content (XXH3), so that no file name (which may contain a patient's name) is passed on."""
    digest = xxhash.xxh3_128()
    for part in parts:
        digest.update(part)
    return f"scan-{digest.hexdigest()[:12]}"


def _window(pixels: NDArray[np.generic], warnings: list[str]) -> tuple[float, float]:
    low, high = float(pixels.min()), float(pixels.max())
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    if pixels.dtype == np.uint16:
        if high > 4095 or high == 0:
            return 0.0, 65535.0
        warnings.append("A 16-bit file whose values fit 12 bits: 4095 is shown as white.")
        return 0.0, 4095.0
    if pixels.dtype.kind == "f" and low >= 0 and high <= 1:
        return 0.0, 1.0
    if pixels.dtype.kind == "f" and low >= 0 and high <= 255:
        return 0.0, 255.0
    warnings.append(f"Values run from {low:g} to {high:g}: the smallest is shown as black, the largest as white.")
    return low, high if high > low else low + 1.0


def _grey(pixels: NDArray[np.generic], window: tuple[float, float], warnings: list[str]) -> NDArray[np.float64]:
    if pixels.ndim == 2:
        return pixels.astype(np.float64)
    return np.asarray(luma_of(np.moveaxis(pixels, -1, 0), window[1] - window[0], warnings), np.float64)


def luma_of(colours: Sequence[NDArray[Any]] | NDArray[Any], white: float, notes: list[str]) -> NDArray[Any]:
    """Return one value for the red, green and blue of each pixel.

    Args:
        colours: Three arrays of one shape.
        white: The largest value there can be.
        notes: Where it is said that colours were lost.

    Returns:
        The first array itself where all three are equal, else their luma, float64.
    """
    red, green, blue = colours[:3]
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return red
    three = [np.asarray(one, np.float64) for one in (red, green, blue)]
    spread = np.maximum.reduce(three) - np.minimum.reduce(three)
    if spread.max() > COLOUR_TOLERANCE * white:
        notes.append(COLOURED)
    return np.asarray(LUMA[0] * three[0] + LUMA[1] * three[1] + LUMA[2] * three[2])


def _over_black(grey: NDArray[np.float64], alpha: NDArray[np.generic], warnings: list[str]) -> NDArray[np.float64]:
    opaque = 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype.str).max)
    opacity = alpha.astype(np.float64) / opaque
    if not opacity.any():
        warnings.append("The picture is fully transparent.")
    elif (opacity < 1).any():
        warnings.append("The picture is partly transparent; it was drawn over black.")
    return grey * opacity
