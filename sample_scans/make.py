"""Make the sample scans: slices of the ICBM 2009a template, some with a synthetic loss of brain, and a volume.

    python sample_scans/make.py

The template comes with nilearn. Slices are cut as `core.scans.registration.standard_space` cuts them for the networks:
Talairach space, 208 rows from back to front, 176 columns from the patient's right to left, 1 mm, with the intensities
of the training slices. In the deformed copies the walls of the ventricles are moved outwards and the surface of the
cortex inwards. The volume is the template's brain, tilted and shifted so that it has to be registered. No individual
person's brain is in any of them.
"""

from pathlib import Path

import cv2
import nibabel
import numpy as np
from scipy.ndimage import affine_transform, map_coordinates

from core.cohorts.synthetic.cohort import displaced
from core.scans.registration.atlas import average_brain
from core.scans.registration.standard_space import ORIGIN_MM, matched_intensities
from core.scans.registration.template import template

HERE = Path(__file__).parent
HEIGHTS = (0, 8, 16, 24)
VARIANTS = {"template": (0.0, 0.0), "moderate": (2.0, 0.8), "marked": (4.5, 1.6)}  # mm: ventricle wall, cortex
TILT_DEGREES, SHIFT_MM, VOXEL_MM, SIDES = 8.0, (6.0, -9.0, 12.0), 1.5, (120, 150, 130)


def deformed(brain: np.ndarray, ventricle_mm: float, cortex_mm: float) -> np.ndarray:
    """Move the walls of the ventricles outwards and the surface of the cortex inwards, fading over 8 mm."""
    where = np.stack(np.meshgrid(*map(np.arange, brain.shape), indexing="ij")).astype(float)
    moved = where - displaced(where, "ventricles", ventricle_mm) - displaced(where, "cortex", cortex_mm)
    return map_coordinates(brain, moved, order=1)


def tilted_volume() -> nibabel.Nifti1Image:
    """Return the template's brain as a scanner might record it: tilted, shifted, 1.5 mm, 8 bits."""
    ready, angle = template(), np.deg2rad(TILT_DEGREES)
    to_scan = np.eye(4)
    to_scan[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    to_scan[:3, 3] = SHIFT_MM
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    affine[:3, 3] = -VOXEL_MM * np.array(SIDES) / 2 + np.array([0, -18, 12])
    index = np.linalg.inv(ready.affine) @ np.linalg.inv(to_scan) @ affine
    seen = affine_transform(ready.brain, index[:3, :3], index[:3, 3], output_shape=SIDES, order=1)
    return nibabel.Nifti1Image((seen * 255).round().astype(np.uint8), affine)


def main() -> None:
    """Write the scans into the folder of this file."""
    brain = average_brain()
    for name, (ventricle_mm, cortex_mm) in VARIANTS.items():
        voxels = matched_intensities(deformed(brain, ventricle_mm, cortex_mm) if ventricle_mm else brain)
        for height in HEIGHTS:
            picture = voxels[::-1, :, round(height - ORIGIN_MM[2])].T
            cv2.imwrite(str(HERE / f"icbm_{name}_z{height:02d}.png"), picture.round().astype(np.uint8))
    nibabel.save(tilted_volume(), HERE / "icbm_volume.nii.gz")


if __name__ == "__main__":
    main()
