"""Slices of a volume, and which way round people and networks view them.

People see the front (or the crown) at the top and the patient's right on the left, as radiologists do. Networks expect
the orientation of the Kaggle slices: the back of the head at the top, the patient's right on the left ("AL": rows run
to the front, columns to the left).
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.scans.scan import Scan

NETWORK_AXES = "AL"
PLANES = ("sagittal", "coronal", "axial")
OPPOSITE = dict(zip("RLAPSI", "LRPAIS", strict=True))
SINGLE_SLICE = (
    "A single slice straight from the scanner: it cannot be aligned to the standard brain or skull-stripped, as the "
    "network expects. Give the whole series for a meaningful answer."
)


def plane_picture(voxels: NDArray[np.generic], plane: str, index: int) -> NDArray[np.generic]:
    """Cut one slice of an RAS+ volume, the way round people view it.

    Args:
        voxels: X × Y × Z, optionally with a last axis of colours, along RAS+.
        plane: "sagittal" (seen from the patient's left), "coronal" or "axial".
        index: Index along the axis perpendicular to the plane.

    Returns:
        Rows × columns: front or crown at the top, the patient's right (the front, for sagittal) on the left.
    """
    axis = PLANES.index(plane)
    picture: NDArray[np.generic] = np.take(voxels, index, axis=axis).swapaxes(0, 1)[::-1]
    return picture[:, ::-1]


def edge_letters(plane: str) -> tuple[str, str]:
    """Return the letters for the left and the right edge of a plane's picture: "R" and "L", or "A" and "P"."""
    return ("A", "P") if plane == "sagittal" else ("R", "L")


def plane_of(orientation: str | None) -> str | None:
    """Return the plane of an image whose rows and columns run in these directions; None if that is not known."""
    if orientation is None or len(orientation) != 2:
        return None
    missing = [axis for axis, letters in enumerate(("RL", "AP", "SI")) if not set(letters) & set(orientation)]
    return PLANES[missing[0]] if len(missing) == 1 else None


def as_network_slice(scan: Scan) -> Scan:
    """Turn an axial image of known orientation the way round the networks expect; warn if that is not possible.

    Args:
        scan: An image; one without an orientation (a PNG) is returned as it is.
    """
    axes = scan.orientation
    if axes is None:
        return scan
    if set(axes) & set("SI"):
        return scan.with_warnings("Not an axial slice: the networks here read axial slices only.", SINGLE_SLICE)
    voxels = scan.voxels if axes[0] in "AP" else scan.voxels.T
    rows, columns = tuple(axes) if axes[0] in "AP" else tuple(axes[::-1])
    spacing = scan.spacing_mm if axes[0] in "AP" or scan.spacing_mm is None else scan.spacing_mm[::-1]
    voxels = voxels if rows == NETWORK_AXES[0] else voxels[::-1]
    voxels = voxels if columns == NETWORK_AXES[1] else voxels[:, ::-1]
    turned = replace(scan, voxels=np.ascontiguousarray(voxels), orientation=NETWORK_AXES, spacing_mm=spacing)
    return turned.with_warnings(SINGLE_SLICE)


def upright(picture: NDArray[np.uint8], orientation: str | None) -> NDArray[np.uint8]:
    """Turn a picture of a slice the way round people view it; unchanged if its orientation is unknown.

    Args:
        picture: H × W, optionally with a last axis of colours, in the scan's own rows and columns.
        orientation: The scan's, such as "AL".
    """
    if orientation is None or len(orientation) != 2:
        return picture
    rows, columns = tuple(orientation)
    if rows in "RL" or (rows in "AP" and columns in "SI"):
        picture, (rows, columns) = picture.swapaxes(0, 1), (columns, rows)
    if rows in "AS":
        picture = picture[::-1]
    if columns in "RA":
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)
