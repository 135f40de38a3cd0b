"""Writing volumes as NIfTI files that say nothing about the patient."""

from pathlib import Path

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
