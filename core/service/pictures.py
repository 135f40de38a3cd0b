"""Pictures for people: slices with what the network saw in them, the registration check, and the files of both."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import StageLensError
from core.explain import overlay, png_bytes
from core.scans.planes import PLANES, plane_picture, upright
from core.scans.scan import grey_of
from core.scans.standard_space import ORIGIN_MM, StandardHead, brain_mask
from core.scans.volume import window_of
from core.service.reading import Reading

OUTLINE = (64, 200, 255)
CHECKED_AT_MM = (20.0, -20.0, 12.0)  # x, y and z of the three slices of a check
GAP = 6


def slice_picture(reading: Reading, place: int) -> NDArray[np.uint8]:
    """Draw what the network saw, the way people look at it: uint8, H × W."""
    scan = reading.slices[place]
    return upright(scan.picture(), scan.orientation)


def heatmap_picture(reading: Reading, place: int, *, opacity: float) -> NDArray[np.uint8]:
    """Draw the heatmap over what the network saw: uint8, H × W × 3, RGB.

    Raises:
        EmptyHeatmap: There is no positive evidence to draw.
    """
    scan = reading.slices[place]
    return upright(overlay(scan, reading.explanations[place], opacity=opacity), scan.orientation)


def registration_check(head: StandardHead) -> NDArray[np.uint8]:
    """Draw a head before (top) and after (bottom) it was brought into standard space, the brain's outline over both.

    Returns:
        uint8, H × W × 3, RGB: sagittal, coronal and axial side by side.
    """
    rows = [_three_planes(head.before), _three_planes(head.unmasked)]
    gap = np.zeros((GAP, rows[0].shape[1], 3), np.uint8)
    return np.vstack([rows[0], gap, rows[1]])


def _three_planes(voxels: NDArray[np.float32]) -> NDArray[np.uint8]:
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


def save_check(head: StandardHead, out: Path) -> Path:
    """Write the registration check as PNG, named by the scan's content.

    Raises:
        StageLensError: The folder cannot be written.
    """
    path = out / f"{head.scan.name}-standard-space.png"
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_bytes(registration_check(head)))
    except OSError as error:
        raise StageLensError(f"{out} cannot be written: {error.strerror}.") from error
    return path


def save_pictures(reading: Reading, out: Path, *, opacity: float) -> dict[str, Path]:
    """Write what the network saw (of a volume the strongest slice), the raw heatmap and, unless empty, the overlay.

    Args:
        reading: A scan with its explanations.
        out: Folder, made if need be.
        opacity: Of the heatmap, 0 to 1.

    Returns:
        What was written: "scan" (PNG), "heatmap" (NPY, float32, raw; of a volume slices × h × w), "overlay" (PNG) and,
        of a volume, "standard_space" (PNG, before and after) by path.

    Raises:
        StageLensError: The folder cannot be written.
    """
    place, explanation = reading.strongest, reading.explanation
    stem = f"{reading.scan.name}-{explanation.method}-{explanation.class_name.lower().replace(' ', '-')}"
    files = {"scan": out / f"{reading.slices[place].name}.png", "heatmap": out / f"{stem}.npy"}
    heatmaps = [one.heatmap for one in reading.explanations]
    try:
        out.mkdir(parents=True, exist_ok=True)
        files["scan"].write_bytes(png_bytes(slice_picture(reading, place)))
        np.save(files["heatmap"], np.stack(heatmaps) if reading.head is not None else heatmaps[0])
        if not explanation.is_empty:
            files["overlay"] = out / f"{stem}.png"
            files["overlay"].write_bytes(png_bytes(heatmap_picture(reading, place, opacity=opacity)))
    except OSError as error:
        raise StageLensError(f"{out} cannot be written: {error.strerror}.") from error
    if reading.head is not None:
        files["standard_space"] = save_check(reading.head, out)
    return files
