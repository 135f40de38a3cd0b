"""The Scan: voxels and what is known about them, and nothing about whose they are."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

BACKGROUND = 20.0  # grey levels of 255; air and JPEG ringing stay below, brain above


@dataclass(frozen=True, eq=False)
class Scan:
    """One image as it was measured, with the window in which it is looked at.

    Attributes:
        voxels: float32, H × W, the file's own values (after palette, colour and transparency were resolved).
        window: The values shown as black and as white.
        name: Generated from the content ("scan-" and 12 hex digits of its SHA-256), never from a file name.
        source: Format and bit depth, such as "PNG, 8-bit grey".
        spacing_mm: Distance of neighbouring voxels along each axis, where the file tells.
        orientation: Axis codes, where the file tells.
        modality: "MR", "CT" or so, where the file tells.
        warnings: One sentence each: what was accepted but should be looked at.
    """

    voxels: NDArray[np.float32]
    window: tuple[float, float]
    name: str
    source: str
    spacing_mm: tuple[float, ...] | None = None
    orientation: str | None = None
    modality: str | None = None
    warnings: tuple[str, ...] = ()

    def grey(self) -> NDArray[np.float32]:
        """Return the voxels as float32 grey in [0, 255], clipped to the window: what networks and screens take."""
        black, white = self.window
        if (black, white) == (0.0, 255.0):
            return np.clip(self.voxels, 0.0, 255.0)
        scaled = (self.voxels.astype(np.float64) - black) * (255.0 / (white - black))
        return np.clip(scaled, 0.0, 255.0).astype(np.float32)

    def picture(self) -> NDArray[np.uint8]:
        """Return the grey values rounded to uint8, for screens and files."""
        return self.grey().round().astype(np.uint8)

    def with_warnings(self, *sentences: str) -> "Scan":
        """Return the same scan with more warnings."""
        return replace(self, warnings=(*self.warnings, *sentences))
