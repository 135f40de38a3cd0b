"""Pictures and files of the heatmaps of a part of a split."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import StageLensError, why_refused
from core.explain import Explanation, heatmap_on_scan, side_by_side
from core.explain.overlay import Picture, overlay
from core.explain.part import Example, ExplainedPart
from core.files import replacing, write_table
from core.networks.inference.engine import stretched
from core.scans import Scan
from core.scans.planes import upright
from core.scans.writing import png_bytes

FILES = ("explanations.csv", "examples.png", "heatmaps.npy", "mean-maps.png", "mean-heatmaps.npz")
GAP = 6
LEAST = 160  # pixels; smaller pictures are enlarged by a whole number


def mean_maps_picture(found: ExplainedPart) -> Picture:
    """Draw the mean heatmap of each class over the mean of its scans: uint8, H × W × 3, RGB; classes side by side."""
    pictures = [tile(mean.image, mean.explanation) for mean in found.means.values()]
    captions = [f"{name}, mean of {mean.scans}" for name, mean in found.means.items()]
    return side_by_side(pictures, captions)


def examples_picture(found: ExplainedPart) -> Picture:
    """Draw some scans of each label with their heatmaps: uint8, H × W × 3, RGB; a row a label.

    Below each stands its label and the network's answer, that it was rejected, or that there is no positive evidence.
    """
    rows = [_row(own) for own in found.examples.values()]
    widest = max(row.shape[1] for row in rows)
    padded = [cv2.copyMakeBorder(row, 0, GAP, 0, widest - row.shape[1], cv2.BORDER_CONSTANT) for row in rows]
    return np.asarray(np.vstack(padded)[:-GAP], np.uint8)


def tile(image: NDArray[np.float32], explanation: Explanation | None) -> Picture:
    """Draw a scan with its heatmap; of a volume the slice with the strongest evidence.

    Args:
        image: H × W, or D × H × W, at the network's size, in [0, 255].
        explanation: Its heatmap, or None for the scan alone, which a heatmap without positive evidence leaves, too.

    Returns:
        uint8, H × W × 3, RGB; at least `LEAST` pixels wide.
    """
    evident = explanation if explanation is not None and not explanation.is_empty else None
    if image.ndim == 3:
        heat = None if evident is None else heatmap_on_scan(evident)
        index = len(image) // 2 if heat is None else int(heat.max(axis=(1, 2)).argmax())
        plane, image = image.shape[1:], image[index]
        if evident is not None and heat is not None:
            centres = stretched(plane, plane)
            evident = replace(evident, heatmap=heat[index], scan_shape=plane, input_shape=plane, centres=centres)
        scan = Scan(image, (0.0, 255.0), "slice", "slice of a volume", orientation="AL")
    else:
        scan = Scan(image, (0.0, 255.0), "scan", "scan of a split")
    drawn = cv2.cvtColor(scan.picture(), cv2.COLOR_GRAY2RGB) if evident is None else overlay(scan, evident)
    picture = upright(np.asarray(drawn, np.uint8), scan.orientation)
    times = -(-LEAST // picture.shape[1])
    size = (picture.shape[1] * times, picture.shape[0] * times)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def save_part(found: ExplainedPart, out: Path) -> dict[str, Path]:
    """Write the table, the raw heatmaps, and the pictures of examples and of mean heatmaps, in place of earlier ones.

    Args:
        found: The heatmaps.
        out: Folder, made if need be.

    Returns:
        What was written, by path: "table" (CSV, a row a scan) and "examples" (PNG); unless all scans are rejected,
        "heatmaps" (NPY, float32, N × the method's cells, in the table's order, NaN where there is none); unless all
        heatmaps are empty, "mean_maps" (PNG) and "mean_heatmaps" (NPZ, float32, the network's pixels, one for each
        class).

    Raises:
        StageLensError: The folder cannot be written.
    """
    files = {"table": out / "explanations.csv", "examples": out / "examples.png"}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in FILES:  # of an earlier part, which this one may not have
            (out / name).unlink(missing_ok=True)
        write_table(files["table"], found.table)
        files["examples"].write_bytes(png_bytes(examples_picture(found)))
        if any(one is not None for one in found.explanations):
            files["heatmaps"] = out / "heatmaps.npy"
            _write_heatmaps(files["heatmaps"], found.explanations)
        if found.means:
            files |= {"mean_maps": out / "mean-maps.png", "mean_heatmaps": out / "mean-heatmaps.npz"}
            files["mean_maps"].write_bytes(png_bytes(mean_maps_picture(found)))
            arrays: dict[str, Any] = {name: one.explanation.heatmap for name, one in found.means.items()}
            np.savez(files["mean_heatmaps"], **arrays)
    except OSError as error:
        raise StageLensError(f"{out} cannot be written: {why_refused(error)}.") from error
    return files


def _row(examples: Sequence[Example]) -> Picture:
    return side_by_side([tile(one.image, one.explanation) for one in examples], [_caption(one) for one in examples])


def _caption(one: Example) -> str:
    if one.explanation is None:
        return f"{one.label}: rejected"
    empty = ", no evidence" if one.explanation.is_empty else ""
    return f"{one.label}: {one.explanation.prediction.answer}{empty}"


def _write_heatmaps(path: Path, explanations: Sequence[Explanation | None]) -> None:
    """Write heatmaps as one array, without a copy of all of them in memory."""
    shape = next(one.heatmap.shape for one in explanations if one is not None)
    with replacing(path) as scratch:
        kept = np.lib.format.open_memmap(scratch, mode="w+", dtype=np.float32, shape=(len(explanations), *shape))
        for row, one in enumerate(explanations):
            kept[row] = np.nan if one is None else one.heatmap
        kept.flush()
        del kept
