"""The ICBM 2009a T1 template that comes with nilearn, and the published matrix from its space to Talairach space.

Fonov et al., NeuroImage 54:313, 2011 (the symmetric template, brain only, 1 mm). Lancaster et al., Human Brain Mapping
28:1194, 2007 (icbm2tal; the matrix for templates other than those of SPM and FSL).
"""

import functools
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_fill_holes

TEMPLATE_FILE = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
ICBM_TO_TALAIRACH = np.array(
    [
        [0.9357, 0.0029, -0.0072, -1.0423],
        [-0.0065, 0.9396, -0.0726, -1.3940],
        [0.0103, 0.0752, 0.8967, 3.6475],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


@dataclass(frozen=True, eq=False)
class Template:
    """The template on its own grid.

    Attributes:
        brain: float32, 197 × 233 × 189 along RAS+, in [0, 1], 0 outside the brain.
        mask: bool, the brain with its ventricles.
        affine: float64, 4 × 4, voxel index to mm, RAS+.
    """

    brain: NDArray[np.float32]
    mask: NDArray[np.bool_]
    affine: NDArray[np.float64]


def packaged(name: str) -> Path:
    """Return the path of a file that nilearn ships, without importing nilearn (150 MB and three seconds)."""
    found = find_spec("nilearn")
    assert found is not None  # noqa: S101 - a requirement
    assert found.origin is not None  # noqa: S101
    return Path(found.origin).parent / "datasets" / "data" / name


@functools.cache
def template() -> Template:
    """Return the template, read once."""
    image = nibabel.load(packaged(TEMPLATE_FILE))
    values = np.asarray(image.dataobj, np.float32)
    brain = values / values.max()
    mask = binary_fill_holes(binary_closing(brain > 0, iterations=2))
    return Template(brain, mask, np.asarray(image.affine, np.float64))
