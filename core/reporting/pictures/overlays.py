"""Pictures for people: slices with what the network saw in them, the registration check, and the files of both."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import StageLensError, why_refused
from core.explain import Explanation, contours, explainer, heatmap_on_scan, side_by_side, signed_overlay
from core.explain.overlay import overlay
from core.explain.reading import Reading
from core.scans import Scan
from core.scans.planes import PLANES, plane_picture, upright
from core.scans.registration.head import AFFINE, ORIGIN_MM, SHAPE, StandardHead
from core.scans.scan import grey_of
from core.scans.volume import window_of
from core.scans.writing import png_bytes, write_nifti

OUTLINE = (64, 200, 255)
CHECKED_AT_MM = (20.0, -20.0, 12.0)  # x, y and z of the three slices of a check
GAP = 6


def slice_picture(reading: Reading, index: int) -> NDArray[np.uint8]:
    """Draw what the network saw, the way people look at it: uint8, H × W."""
    scan = reading.slices[index]
    return upright(scan.picture(), scan.orientation)


def heatmap_picture(
    reading: Reading, index: int, *, opacity: float = 0.6, kind: str = "evidence", colours: str = "inferno"
) -> NDArray[np.uint8]:
    """Draw the heatmap over what the network saw: uint8, H × W × 3, RGB.

    Args:
        reading: A scan with its explanations.
        index: Of the slice.
        opacity: 0 to 1.
        kind: "evidence" for the class, "both" sides in two colours, or "contours".
        colours: Of "evidence", one of `core.explain.overlay.COLOURS`.

    Raises:
        EmptyHeatmap: There is nothing to draw.
    """
    return drawn_map(reading.slices[index], reading.explanations[index], opacity=opacity, kind=kind, colours=colours)


def drawn_map(
    scan: Scan,
    explanation: Explanation,
    *,
    heat: NDArray[np.float32] | None = None,
    opacity: float = 0.6,
    kind: str = "evidence",
    colours: str = "inferno",
) -> NDArray[np.uint8]:
    """Draw a heatmap over the slice it explains, the way people look at it; arguments as for `heatmap_picture`.

    Args:
        scan: The slice.
        explanation: Its explanation.
        heat: Values to draw instead of the explanation's own, of the same shape.
        opacity: 0 to 1.
        kind: "evidence", "both" or "contours".
        colours: Of "evidence".
    """
    explanation = explanation if heat is None else replace(explanation, heatmap=heat)
    match kind:
        case "both":
            picture = signed_overlay(scan, explanation, opacity=opacity)
        case "contours":
            picture = contours(scan, explanation)
        case _:
            picture = overlay(scan, explanation, opacity=opacity, colours=colours)
    return upright(picture, scan.orientation)


def heat_volume(reading: Reading) -> NDArray[np.float32]:
    """Return the heatmap of a volume's slices in the voxels of the scan as it came: float32, X × Y × Z; 0 elsewhere.

    Raises:
        StageLensError: The scan is no volume.
    """
    if reading.head is None or reading.scan.affine is None:
        raise StageLensError("a heatmap in the scan's own space needs a volume.")
    grid = np.zeros(SHAPE, np.float32)
    heats = np.stack([heatmap_on_scan(explanation) for explanation in reading.explanations])  # from below, A, L
    plane = (SHAPE[1], SHAPE[0])
    side = max(SHAPE)
    if heats.shape[1:] != plane:  # a cube around the grid
        heats = np.stack([cv2.resize(heat, (side, side), interpolation=cv2.INTER_LINEAR) for heat in heats])
        top, left = (side - plane[0]) // 2, (side - plane[1]) // 2
        heats = heats[:, top : top + plane[0], left : left + plane[1]]
    indices = np.array(reading.prediction.heights_mm) - ORIGIN_MM[2]
    for index in range(max(0, int(np.ceil(indices[0]))), min(SHAPE[2] - 1, int(np.floor(indices[-1]))) + 1):
        at = float(np.interp(index, indices, np.arange(len(indices))))
        below = int(at)
        above = min(below + 1, len(heats) - 1)
        grid[:, :, index] = ((1 - at + below) * heats[below] + (at - below) * heats[above]).T[::-1]
    to_grid = np.linalg.inv(AFFINE) @ np.linalg.inv(reading.head.to_scan) @ reading.scan.affine
    size = reading.scan.voxels.shape
    from core.scans.registration.standard_space import resampled

    return resampled(grid, to_grid, (size[0], size[1], size[2]))


def registration_check(head: StandardHead) -> NDArray[np.uint8]:
    """Draw a head before (top) and after (bottom) it was brought into standard space, the brain's outline over both.

    Returns:
        uint8, H × W × 3, RGB: sagittal, coronal and axial side by side.
    """
    rows = [_three_planes(head.before), _three_planes(head.unmasked)]
    gap = np.zeros((GAP, rows[0].shape[1], 3), np.uint8)
    return np.vstack([rows[0], gap, rows[1]])


def _three_planes(voxels: NDArray[np.float32]) -> NDArray[np.uint8]:
    from core.scans.registration.standard_space import brain_mask

    grey = grey_of(voxels, window_of(voxels[voxels > 0]) if (voxels > 0).any() else (0.0, 1.0)).astype(np.uint8)
    pictures = []
    for axis, plane in enumerate(PLANES):
        index = round(CHECKED_AT_MM[axis] - ORIGIN_MM[axis])
        picture = cv2.cvtColor(np.ascontiguousarray(plane_picture(grey, plane, index)), cv2.COLOR_GRAY2RGB)
        mask = np.ascontiguousarray(plane_picture(brain_mask().astype(np.uint8), plane, index))
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, OUTLINE, 1)
        pictures.append(picture)
    tallest = max(picture.shape[0] for picture in pictures)
    padded = [
        cv2.copyMakeBorder(picture, tallest - picture.shape[0], 0, 0, GAP, cv2.BORDER_CONSTANT) for picture in pictures
    ]
    return np.asarray(np.hstack(padded)[:, :-GAP], np.uint8)


def save_check(head: StandardHead, out: Path, name: str) -> Path:
    """Write the registration check as PNG; `name` begins its file's.

    Raises:
        StageLensError: The folder cannot be written.
    """
    path = out / f"{name}-standard-space.png"
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_bytes(registration_check(head)))
    except OSError as error:
        raise StageLensError(f"{out} cannot be written: {why_refused(error)}.") from error
    return path


def save_pictures(reading: Reading, out: Path, name: str, *, opacity: float) -> dict[str, Path]:
    """Write what the network saw (of a volume the strongest slice), the raw heatmap and, unless empty, the overlay.

    Args:
        reading: A scan with its explanations.
        out: Folder, made if need be.
        name: What the scan is called; the files' names begin with it.
        opacity: Of the heatmap, 0 to 1.

    Returns:
        What was written: "scan" (PNG), "heatmap" (NPY, float32, raw; of a volume slices × h × w), "overlay" (PNG) and,
        of a volume, "standard_space" (PNG, before and after) and "heatmap_nifti" (in the scan's own voxels), by path.

    Raises:
        StageLensError: The folder cannot be written.
    """
    index, explanation = reading.strongest, reading.explanation
    stem = f"{name}-{explanation.method}-{explanation.class_name.lower().replace(' ', '-')}"
    slice_name = f"{name}-scan{reading.slices[index].name.removeprefix(reading.scan.name)}"
    files = {"scan": out / f"{slice_name}.png", "heatmap": out / f"{stem}.npy"}
    heatmaps = [one.heatmap for one in reading.explanations]
    try:
        out.mkdir(parents=True, exist_ok=True)
        files["scan"].write_bytes(png_bytes(slice_picture(reading, index)))
        np.save(files["heatmap"], np.stack(heatmaps) if reading.head is not None else heatmaps[0])
        if not explanation.is_empty:
            files["overlay"] = out / f"{stem}.png"
            files["overlay"].write_bytes(png_bytes(heatmap_picture(reading, index, opacity=opacity)))
    except OSError as error:
        raise StageLensError(f"{out} cannot be written: {why_refused(error)}.") from error
    if reading.head is not None and reading.scan.affine is not None:
        files["standard_space"] = save_check(reading.head, out, name)
        files["heatmap_nifti"] = out / f"{stem}.nii.gz"
        write_nifti(files["heatmap_nifti"], heat_volume(reading), reading.scan.affine)
    return files


def save_comparison(reading: Reading, others: Sequence[Explanation], out: Path, name: str) -> Path:
    """Write the heatmaps of several methods for the strongest slice side by side, as PNG.

    Args:
        reading: A scan with its heatmaps.
        others: Of the same slice, by other methods.
        out: Folder, there already.
        name: What the scan is called; the file's name begins with it.
    """
    scan = reading.slices[reading.strongest]
    pictures, captions = [slice_picture(reading, reading.strongest)], ["scan"]
    for one in (reading.explanation, *others):
        drawn = overlay(scan, one, opacity=0.6) if not one.is_empty else scan.picture()
        pictures.append(upright(drawn, scan.orientation))
        captions.append(explainer(one.method).title + ("" if one.is_reliable else ": unreliable"))
    path = out / f"{name}-methods.png"
    path.write_bytes(png_bytes(side_by_side(pictures, captions)))
    return path
