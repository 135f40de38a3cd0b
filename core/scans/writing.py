"""Writing pictures as PNG and volumes as NIfTI files that say nothing about the patient."""

from pathlib import Path

import cv2
import nibabel
import numpy as np
from numpy.typing import NDArray

from core.files import replacing


def write_nifti(path: Path, voxels: NDArray[np.generic], affine: NDArray[np.float64]) -> None:
    """Write a volume as .nii.gz, whole or not at all.

    Args:
        path: The file to write.
        voxels: X × Y × Z, along the axes of `affine`.
        affine: float64, 4 × 4, voxel index to mm, RAS+.
    """
    image = nibabel.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    with replacing(path) as unfinished:
        nibabel.save(image, unfinished)


def png_bytes(picture: NDArray[np.uint8]) -> bytes:
    """Encode a grey (H × W) or RGB (H × W × 3) uint8 picture as PNG."""
    ordered = picture if picture.ndim == 2 else picture[..., ::-1]
    encoded: NDArray[np.uint8] = cv2.imencode(".png", np.ascontiguousarray(ordered))[1]
    return encoded.tobytes()


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a grey or RGB picture as PNG, whole or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(png_bytes(picture))
