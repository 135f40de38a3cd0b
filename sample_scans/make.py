"""Make the sample scans: axial slices of the ICBM 2009a template, some with a synthetic, smooth loss of brain.

    python sample_scans/make.py

The template comes with nilearn. Its brain is taken to the Talairach grid of the training slices (208 rows from front to
back, 176 columns, 1 mm) by Lancaster's icbm2tal transform (Lancaster et al., Human Brain Mapping 28:1194, 2007; the
matrix for templates other than those of SPM and FSL). In the deformed copies the ventricles' wall is moved outwards and
the cortex's surface inwards; no living person's brain is in any of them.
"""

from pathlib import Path

import cv2
import numpy as np
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

HERE = Path(__file__).parent
ICBM_TO_TALAIRACH = np.array(
    [
        [0.9357, 0.0029, -0.0072, -1.0423],
        [-0.0065, 0.9396, -0.0726, -1.3940],
        [0.0103, 0.0752, 0.8967, 3.6475],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
ROWS, COLUMNS = 208, 176
ROW_OF_ANTERIOR_COMMISSURE, COLUMN_OF_MIDLINE = 93.0, 87.5
LOWEST, HIGHEST = -20, 44  # mm above the commissures; more than is drawn, for the distances
HEIGHTS = (0, 8, 16, 24)
VARIANTS = {"template": (0.0, 0.0), "moderate": (2.0, 0.8), "marked": (4.5, 1.6)}  # mm: ventricle wall, cortex
REACH = 8.0  # mm over which a displacement fades
INSIDE = 1.0  # mm within the region from which its new part is filled
VENTRICLE_BELOW, VENTRICLE_BOX = 0.45, ((-26, 26), (-48, 38), (-4, 36))  # template value; x, y, z in mm
GREY_PER_UNIT, GREY_OFFSET = 360.0, -101.0  # brings template values to the greys of such slices: grey 115, white 205


def talairach_brain() -> np.ndarray:
    """Return the template's brain, float32, z × rows × columns, on the Talairach grid, 0 outside."""
    template, mask = load_mni152_template(resolution=1), load_mni152_brain_mask(resolution=1)
    brain = template.get_fdata() * (mask.get_fdata() > 0)
    x, y, z = grid_mm()
    points = np.stack([x, y, z, np.ones_like(x)]).reshape(4, -1)
    to_voxel = np.linalg.inv(template.affine) @ np.linalg.inv(ICBM_TO_TALAIRACH)
    return map_coordinates(brain, (to_voxel @ points)[:3], order=1).reshape(x.shape).astype(np.float32)


def grid_mm() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x (to the right of the picture), y (forwards) and z (upwards) of every voxel, in mm."""
    z, row, column = np.meshgrid(np.arange(LOWEST, HIGHEST), np.arange(ROWS), np.arange(COLUMNS), indexing="ij")
    return column - COLUMN_OF_MIDLINE, ROW_OF_ANTERIOR_COMMISSURE - row, z.astype(float)


def deformed(brain: np.ndarray, ventricle_mm: float, cortex_mm: float) -> np.ndarray:
    """Move the ventricles' wall outwards and the cortex's surface inwards by so many mm, fading over 8 mm."""
    coordinates = np.stack(np.meshgrid(*map(np.arange, brain.shape), indexing="ij")).astype(float)
    ventricles = (brain < VENTRICLE_BELOW) & (brain > 0)
    for axis, (low, high) in zip(grid_mm(), VENTRICLE_BOX, strict=True):
        ventricles &= (axis >= low) & (axis <= high)
    for region, millimetres in ((ventricles, ventricle_mm), (brain <= 0, cortex_mm)):
        distance = gaussian_filter(distance_transform_edt(~region) - distance_transform_edt(region), 1.0)
        beyond = np.maximum(distance - millimetres, 0)  # the wall itself comes to lie at exactly `millimetres`
        fading = millimetres * np.exp(-((beyond / REACH) ** 2))
        inwards = np.clip(np.minimum(fading, distance + INSIDE), 0, None)  # never across to the other wall
        coordinates -= inwards * np.stack(np.gradient(distance))
    return map_coordinates(brain, coordinates, order=1)


def main() -> None:
    """Write the scans beside this file."""
    brain = talairach_brain()
    for name, (ventricle_mm, cortex_mm) in VARIANTS.items():
        volume = deformed(brain, ventricle_mm, cortex_mm) if ventricle_mm else brain
        for height in HEIGHTS:
            values = volume[height - LOWEST]
            grey = np.where(values > 0.02, np.clip(values * GREY_PER_UNIT + GREY_OFFSET, 1, 255), 0)
            cv2.imwrite(str(HERE / f"icbm_{name}_z{height:02d}.png"), grey.round().astype(np.uint8))


if __name__ == "__main__":
    main()
