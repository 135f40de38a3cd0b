"""The Scan: voxels and what is known about them, but nothing about the patient."""

import functools
from dataclasses import dataclass, fields, replace

import numpy as np
import xxhash
from numpy.typing import NDArray

from core.scans.contrast.acquisition import Acquisition

BACKGROUND = 20.0  # grey levels of 255; air and JPEG ringing stay below, brain above


@dataclass(frozen=True)
class Origin:
    """Whose image this is, in digests that mean nothing outside this process: equal for images of one person.

    Attributes:
        person: "" where the file names nobody.
        study: Of one examination; "" where the file does not say.
        series: Of one series of it.
    """

    person: str = ""
    study: str = ""
    series: str = ""


@dataclass(frozen=True, eq=False)
class Scan:
    """One image or volume as it was measured, with the window in which it is displayed.

    Attributes:
        voxels: float32, H × W for an image, X × Y × Z along RAS+ for a volume (the first axis runs to the patient's
            right, the second to the front, the third upwards); the file's own values, once palette, colour,
            transparency and rescaling have been resolved.
        window: The values shown as black and as white.
        name: Generated from the content ("scan-" and 12 hex digits of its XXH3 digest, and which page where there are
            several), never from a file name.
        source: Format and bit depth, such as "PNG, 8-bit grey".
        spacing_mm: Distance between neighbouring voxels along each axis, if the file gives it.
        orientation: The direction in which each axis of `voxels` runs, if the file gives it: "RAS" for every volume;
            for an image, the directions in which its rows and its columns are counted, such as "PL".
        modality: "MR", "CT" or similar, if the file gives it.
        affine: float64, 4 × 4, from voxel index to mm in RAS+, for a volume; None for an image.
        warnings: One sentence each: what was accepted but should be checked.
        acquisition: How it was made, if the file says so.
        origin: Whose it is, if the file says so.
    """

    voxels: NDArray[np.float32]
    window: tuple[float, float]
    name: str
    source: str
    spacing_mm: tuple[float, ...] | None = None
    orientation: str | None = None
    modality: str | None = None
    affine: NDArray[np.float64] | None = None
    warnings: tuple[str, ...] = ()
    acquisition: Acquisition | None = None
    origin: Origin | None = None

    @property
    def is_volume(self) -> bool:
        """Whether this is a volume rather than an image."""
        return self.voxels.ndim == 3

    @functools.cached_property
    def digest(self) -> str:
        """XXH3 of everything that is known of the scan: the key of whatever is remembered about it."""
        found = xxhash.xxh3_128()
        for field in fields(self):
            value = getattr(self, field.name)
            known = np.ascontiguousarray(value).tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
            shape = getattr(value, "shape", ())
            found.update(f"{field.name}{shape}\0".encode())
            found.update(known)
        return str(found.hexdigest())

    def grey(self) -> NDArray[np.float32]:
        """Return the voxels as float32 grey levels in [0, 255], clipped to the window, for networks and screens."""
        return grey_of(self.voxels, self.window)

    def picture(self) -> NDArray[np.uint8]:
        """Return the grey levels rounded to uint8, for screens and files."""
        return self.grey().round().astype(np.uint8)

    def with_warnings(self, *sentences: str) -> "Scan":
        """Return the same scan with more warnings."""
        return replace(self, warnings=(*self.warnings, *sentences))


def grey_of(voxels: NDArray[np.float32], window: tuple[float, float]) -> NDArray[np.float32]:
    """Return values of any shape as float32 grey levels in [0, 255], clipped to a window of black and white."""
    black, white = window
    if (black, white) == (0.0, 255.0):
        return np.clip(voxels, 0.0, 255.0)
    width = (
        white - black if white > black else 1.0
    )  # 1.0 where the values are so large that adding 1 does not change them
    scaled = (voxels.astype(np.float64) - black) * (255.0 / width)
    return np.clip(scaled, 0.0, 255.0).astype(np.float32)
