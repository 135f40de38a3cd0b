"""From a raw heatmap to pictures of it over the scan."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import EmptyHeatmap, StageLensError
from core.explain.explanation import Explanation
from core.explain.placing import drawn_at
from core.networks.architectures.geometry import fit_of
from core.networks.inference.engine import stretched
from core.scans import Scan
from core.scans.framing import head_mask

Picture = NDArray[np.uint8]
# The brightness of each increases throughout, so they can be read without colour vision and in print.
COLOURS = {"inferno": cv2.COLORMAP_INFERNO, "viridis": cv2.COLORMAP_VIRIDIS, "cividis": cv2.COLORMAP_CIVIDIS}
FOR, AGAINST = np.array([255, 140, 20], np.float32), np.array([125, 95, 255], np.float32)  # orange, violet
LEVELS = (0.5, 0.8)  # fractions of the peak at which contours are drawn
CONTOUR = (255, 210, 90)
GAP, CAPTION = 6, 18
INK = (235, 235, 235)


def heatmap_on_scan(explanation: Explanation) -> NDArray[np.float32]:
    """Draw a heatmap in the scan's pixels: each cell where it lies, linearly in between, without the input's padding.

    Returns:
        float32, H × W (D × H × W for a volume), in the heatmap's own units; not negative if the heatmap is not.
    """
    if explanation.heatmap.ndim == 3:
        places = stretched(explanation.scan_shape, explanation.input_shape)
    else:
        (height, width), (rows, columns) = explanation.scan_shape, explanation.input_shape
        fit = fit_of((height, width), (rows, columns))
        down, across = stretched((fit.canvas_height, fit.canvas_width), (rows, columns))
        places = down[fit.top : fit.top + height], across[fit.left : fit.left + width]
    return np.asarray(drawn_at(explanation.heatmap[None], explanation.centres, places)[0])


def overlay(scan: Scan, explanation: Explanation, *, opacity: float = 0.5, colours: str = "inferno") -> Picture:
    """Draw the evidence for the class over the scan: the stronger the evidence, the more the colour covers the scan.

    Args:
        scan: The scan explained.
        explanation: Its explanation.
        opacity: 0 shows only the scan; 1 covers the strongest evidence completely.
        colours: One of `COLOURS`.

    Returns:
        uint8, H × W × 3, RGB.

    Raises:
        EmptyHeatmap: There is no positive evidence to draw.
        StageLensError: There are no such colours.
    """
    fraction = _fraction_of_peak(scan, explanation)
    cover = (np.clip(opacity, 0, 1) * fraction)[..., None]
    return _rounded(scan.grey()[..., None] * (1 - cover) + _coloured(fraction, colours).astype(np.float32) * cover)


def signed_overlay(scan: Scan, explanation: Explanation, *, opacity: float = 0.8) -> Picture:
    """Draw the evidence for the class in orange and the evidence against it in violet, on one scale.

    Args and returns as for `overlay`; a map without positive evidence may still have evidence against the class.
    """
    heatmap = _within_head(scan, explanation)
    peak = float(np.abs(heatmap).max())
    if not peak > 0:
        raise EmptyHeatmap(explanation.sentence)
    fraction = heatmap / peak
    cover = (np.clip(opacity, 0, 1) * np.sqrt(np.abs(fraction)))[..., None]
    colour = np.where(fraction[..., None] > 0, FOR, AGAINST)
    return _rounded(scan.grey()[..., None] * (1 - cover) + colour * cover)


def contours(scan: Scan, explanation: Explanation, *, levels: Sequence[float] = LEVELS) -> Picture:
    """Draw lines around the regions whose evidence is at least these fractions of the peak; the scan stays visible.

    Args and errors as for `overlay`.
    """
    fraction = _fraction_of_peak(scan, explanation)
    picture = cv2.cvtColor(scan.picture(), cv2.COLOR_GRAY2RGB)
    for level in sorted(levels):
        lines, _ = cv2.findContours((fraction >= level).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, lines, -1, CONTOUR, 1)
    return np.asarray(picture, np.uint8)


def difference(one: Explanation, other: Explanation) -> Explanation:
    """Return the evidence for one class rather than another: the difference of two maps of one scan and method.

    Raises:
        StageLensError: They are not maps of the same scan and method.
    """
    same_method = (one.method, one.heatmap.shape) == (other.method, other.heatmap.shape)
    if not same_method or one.prediction.scan != other.prediction.scan:
        raise StageLensError("a difference needs two maps of the same scan, made by the same method.")
    name = f"{one.class_name} rather than {other.class_name}"
    shows = f"Evidence for {one.class_name} (orange) and for {other.class_name} (violet)."
    return replace(one, heatmap=one.heatmap - other.heatmap, class_name=name, shows=shows, checks={}, failed_checks=())


def side_by_side(pictures: Sequence[Picture], captions: Sequence[str]) -> Picture:
    """Put pictures in a row, each with a line of text below; "×" is written "x"."""
    tall = max(picture.shape[0] for picture in pictures)
    columns = []
    for picture, caption in zip(pictures, captions, strict=True):
        colour = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB) if picture.ndim == 2 else picture
        below = tall - picture.shape[0] + CAPTION
        framed = cv2.copyMakeBorder(colour, 0, below, 0, GAP, cv2.BORDER_CONSTANT)
        text = caption.replace("×", "x")
        wide = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)[0][0]
        size = min(0.4, (picture.shape[1] - 4) / max(1, wide))
        cv2.putText(framed, text, (2, tall + 13), cv2.FONT_HERSHEY_SIMPLEX, size, INK, 1, cv2.LINE_AA)
        columns.append(framed)
    return np.asarray(np.hstack(columns)[:, :-GAP], np.uint8)


def heatmap_legend(*, height: int = 12, width: int = 256, colours: str = "inferno") -> Picture:
    """Draw the colours from no evidence (left) to the strongest evidence in the scan (right), uint8 RGB."""
    return _coloured(np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1)), colours)


def _within_head(scan: Scan, explanation: Explanation) -> NDArray[np.float32]:
    """Return a heatmap in the scan's pixels, without what lies on the air around the head.

    A map that failed a check is seen whole: that a network looks at the air is what one has to see then. So is one with
    nothing in the head.
    """
    heatmap = heatmap_on_scan(explanation)
    if explanation.failed_checks:
        return heatmap
    inside = np.where(head_mask(scan.grey()), heatmap, np.float32(0))
    return inside if (inside > 0).any() else heatmap


def _fraction_of_peak(scan: Scan, explanation: Explanation) -> NDArray[np.float32]:
    """Return the positive evidence within the head as a fraction of its peak, in the scan's pixels."""
    positive = np.maximum(_within_head(scan, explanation), 0)
    peak = float(positive.max())
    if not peak > 0:
        raise EmptyHeatmap(explanation.sentence)
    return np.asarray(positive / peak, np.float32)


def _coloured(fraction: NDArray[np.float32], colours: str) -> Picture:
    if colours not in COLOURS:
        raise StageLensError(f"there are no colours {colours!r}; known are {', '.join(COLOURS)}.")
    levels = np.asarray((fraction * 255).round(), np.uint8)
    return np.asarray(cv2.applyColorMap(levels, COLOURS[colours])[..., ::-1], np.uint8)


def _rounded(drawn: NDArray[np.float32]) -> Picture:
    return np.asarray(np.clip(drawn.round(), 0, 255), np.uint8)
