"""Slices of a volume and the way round in which people and networks look at them.

People see the front (or the crown) at the top and the patient's right at the left, as radiologists do. Networks know
the way round of the Kaggle slices: the back of the head at the top, the patient's right at the left ("AL": rows run to
the front, columns to the left).
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.scans.scan import Scan

NETWORK_AXES = "AL"
PLANES = ("sagittal", "coronal", "axial")
OPPOSITE = dict(zip("RLAPSI", "LRPAIS", strict=True))
SINGLE_SLICE = (
    "A single slice as the scanner made it: it cannot be brought into the networks' space, in which the skull is taken "
    "off. Give the whole series for an answer that means something."
)


def plane_picture(voxels: NDArray[np.generic], plane: str, index: int) -> NDArray[np.generic]:
    """Cut one slice of an RAS+ volume as people look at it.

    Args:
        voxels: X × Y × Z (or with colours behind), along RAS+.
        plane: "sagittal" (seen from the patient's left), "coronal" or "axial".
        index: Along the axis across the plane.

    Returns:
        Rows × columns: front or crown at the top, the patient's right (the front, for sagittal) at the left.
    """
    axis = PLANES.index(plane)
    picture: NDArray[np.generic] = np.take(voxels, index, axis=axis).swapaxes(0, 1)[::-1]
    return picture[:, ::-1]


def edge_letters(plane: str) -> tuple[str, str]:
    """Return what lies at the left and at the right edge of a plane's picture: "R" and "L", or "A" and "P"."""
    return ("A", "P") if plane == "sagittal" else ("R", "L")


def as_network_slice(scan: Scan) -> Scan:
    """Turn an axial image of known orientation the way round the networks know; warn where that is not possible.

    Args:
        scan: An image; one that does not say how it lies (a PNG) is returned as it is.
    """
    axes = scan.orientation
    if axes is None:
        return scan
    if set(axes) & set("SI"):
        return scan.with_warnings("Not an axial slice: the networks here know axial slices only.", SINGLE_SLICE)
    voxels = scan.voxels if axes[0] in "AP" else scan.voxels.T
    rows, columns = tuple(axes) if axes[0] in "AP" else tuple(axes[::-1])
    spacing = scan.spacing_mm if axes[0] in "AP" or scan.spacing_mm is None else scan.spacing_mm[::-1]
    voxels = voxels if rows == NETWORK_AXES[0] else voxels[::-1]
    voxels = voxels if columns == NETWORK_AXES[1] else voxels[:, ::-1]
    turned = replace(scan, voxels=np.ascontiguousarray(voxels), orientation=NETWORK_AXES, spacing_mm=spacing)
    return turned.with_warnings(SINGLE_SLICE)


def upright(picture: NDArray[np.uint8], orientation: str | None) -> NDArray[np.uint8]:
    """Turn a picture of a slice as people look at it; unchanged where nobody knows how it lies.

    Args:
        picture: H × W, or with colours behind, in the scan's own rows and columns.
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
