"""How the tissues of an aligned head look: which of white matter, grey matter and fluid are bright, and vessels.

The template's tissue maps say where each tissue lies. Brightness changes smoothly over a head, so tissues are compared
within blocks, and the median over the blocks is taken. In a T1 scan white matter is brighter than grey and fluid is
dark; T2 is the reverse; a FLAIR has dark fluid but grey matter brighter than white; in proton density grey is brighter
and fluid is not dark. A contrast agent makes vessels brighter than any tissue.
"""

import functools
from dataclasses import dataclass

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, binary_erosion

from core.scans.registration.template import packaged, template

STEP = 2  # mm
BLOCK = 20  # voxels of STEP: 40 mm
FEWEST = 40  # voxels of each of two tissues in a block, for them to be compared there
SURE = {"wm": 0.9, "gm": 0.75}  # the least probability of a tissue
FLUID_AT_MOST = 0.1  # probability of grey and of white matter
# Least white over grey, and most fluid over grey, of a plain T1 scan. The benchmark of contrasts prints the margins.
WHITE_OVER_GREY, FLUID_OVER_GREY = 1.04, 0.95
DARK_FLUID, BRIGHT_FLUID = 0.6, 1.15  # over grey: below the first of the others is a FLAIR, above the second a T2
VESSEL = 1.4  # times the white matter around: what is brighter is a vessel, or enhances
MANY_VESSELS = 0.002  # of the brain
Affine = NDArray[np.float64]


@dataclass(frozen=True)
class Tissues:
    """What the tissues of an aligned scan look like; NaN where there are too few voxels to tell.

    Attributes:
        white_over_grey: Brightness of white matter, over that of grey matter nearby.
        fluid_over_grey: Brightness of the ventricles' fluid, over that of grey matter nearby.
        vessels: Fraction of the brain much brighter than the white matter around.
    """

    white_over_grey: float
    fluid_over_grey: float
    vessels: float

    @property
    def kind(self) -> str:
        """What the scan looks like: "T1", "T1 with a contrast agent", "T2", "FLAIR", "PD", or "" if that is unknown."""
        if np.isnan(self.white_over_grey):
            return ""
        fluid = self.fluid_over_grey
        if self.white_over_grey >= WHITE_OVER_GREY and not fluid > FLUID_OVER_GREY:  # NaN where it cannot be seen
            return "T1 with a contrast agent" if self.vessels > MANY_VESSELS else "T1"
        if fluid > BRIGHT_FLUID:
            return "T2"
        return "FLAIR" if fluid < DARK_FLUID else "PD"


def tissues_of(voxels: NDArray[np.float32], affine: Affine, to_scan: Affine) -> Tissues:
    """Compare the tissues of a scan that is aligned to the template.

    Args:
        voxels: float32, X × Y × Z.
        affine: Voxel index to mm.
        to_scan: Template mm to scan mm.
    """
    grid, masks = _maps()
    index = np.linalg.inv(affine) @ to_scan @ grid
    seen = affine_transform(voxels, index[:3, :3], index[:3, 3], output_shape=masks["brain"].shape, order=1)
    blocks = _blocks(masks["brain"].shape)
    count = int(blocks.max()) + 1
    medians = {name: _medians(seen, blocks, masks[name], count) for name in ("wm", "gm", "csf")}
    white, grey, fluid = (medians[name] for name in ("wm", "gm", "csf"))
    with np.errstate(invalid="ignore", divide="ignore"):
        around = white[blocks]
        bright = masks["inner"] & np.isfinite(around) & (seen > VESSEL * around)
        inner = masks["inner"] & np.isfinite(around)
        return Tissues(
            white_over_grey=_median(white / grey),
            fluid_over_grey=_median(fluid / grey),
            vessels=float(bright.sum() / max(inner.sum(), 1)),
        )


def _medians(seen: NDArray[np.float32], blocks: NDArray[np.int64], mask: NDArray[np.bool_], count: int) -> Affine:
    """Return the median of a tissue in each block; NaN where there is too little of it, or it is not above zero."""
    values, where = seen[mask], blocks[mask]
    order = np.argsort(where, kind="stable")
    edges = np.searchsorted(where[order], np.arange(count + 1))
    found = np.full(count, np.nan)
    for block in range(count):
        own = values[order[edges[block] : edges[block + 1]]]
        if len(own) >= FEWEST:
            found[block] = np.median(own)
    return np.where(found > 0, found, np.nan)


def _median(ratios: Affine) -> float:
    known = ratios[np.isfinite(ratios)]
    return float(np.median(known)) if known.size else float("nan")


@functools.cache
def _maps() -> tuple[Affine, dict[str, NDArray[np.bool_]]]:
    """Return the coarse grid, and masks on it: wm, gm, csf (of the ventricles), brain, and the inner brain."""
    ready = template()
    grid = ready.affine.copy()
    grid[:3, :3] *= STEP
    cut = (slice(None, None, STEP),) * 3
    maps = {
        name: np.asarray(nibabel.load(packaged(f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz")).dataobj)
        for name in ("gm", "wm")
    }
    largest = {name: float(values.max()) for name, values in maps.items()}
    shares = {name: (values / largest[name])[cut] for name, values in maps.items()}
    brain = ready.mask[cut]
    inner = binary_erosion(brain, iterations=2)
    masks = {name: (shares[name] >= SURE[name]) & brain for name in shares}
    masks["csf"] = binary_erosion(inner & (shares["gm"] <= FLUID_AT_MOST) & (shares["wm"] <= FLUID_AT_MOST))
    return grid, masks | {"brain": brain, "inner": inner}


@functools.cache
def _blocks(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Number the block of each voxel."""
    along = [np.arange(side) // BLOCK for side in shape]
    i, j, k = np.meshgrid(*along, indexing="ij")
    return np.asarray((i * (along[1][-1] + 1) + j) * (along[2][-1] + 1) + k, np.int64)
