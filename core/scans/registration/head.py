"""A head in standard space: what is kept of it, and the grid it lies on. Loads nothing that registers one."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.scans.scan import Scan

Affine = NDArray[np.float64]
Verdict = Literal["good", "doubtful", "failed"]
SHAPE = (176, 208, 176)
# The anterior commissure in the training slices, found by registering 40 healthy people's slices to the template in
# Talairach space: 86 columns from the patient's right, 120 rows from the back; slices lie 3 mm below to 28 mm above it.
ORIGIN_MM = (-89.0, -120.0, -74.0)
AFFINE = np.array([[1.0, 0, 0, ORIGIN_MM[0]], [0, 1.0, 0, ORIGIN_MM[1]], [0, 0, 1.0, ORIGIN_MM[2]], [0, 0, 0, 1.0]])


@dataclass(frozen=True)
class Quality:
    """What was measured after aligning a scan to standard space.

    Attributes:
        verdict: "good", "doubtful" or "failed".
        similarity: Correlation with the template inside the brain, smoothed to 3 mm; -1 to 1.
        overlap: Fraction of the template's brain that is tissue in the scan.
        scales: Smallest and largest stretch of the template.
        shear: Largest deviation from right angles, as a cosine.
        sentences: What to tell the user; empty if the verdict is "good".
    """

    verdict: Verdict
    similarity: float
    overlap: float
    scales: tuple[float, float]
    shear: float
    sentences: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class StandardHead:
    """A head in standard space.

    Attributes:
        scan: The brain, 176 × 208 × 176 along RAS+ in Talairach mm; intensities in [0, 255], matched to the training
            slices.
        before: The scan on the same grid, shifted only so that the centres agree: the picture before registration.
        unmasked: The registered scan with everything around the brain: the picture after registration.
        to_scan: float64, 4 × 4, Talairach mm to mm in the original scan.
        registered: Whether it had to be registered; False if it was already in this space.
        quality: How well it is aligned.
    """

    scan: Scan
    before: NDArray[np.float32]
    unmasked: NDArray[np.float32]
    to_scan: Affine
    registered: bool
    quality: Quality
