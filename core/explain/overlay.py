"""From a raw heatmap to a picture over the scan."""

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import EmptyHeatmap
from core.explain.explanation import Explanation
from core.networks.geometry import fit_of
from core.scans import Scan

COLOURS = cv2.COLORMAP_INFERNO  # rises in brightness throughout, so it reads without colour vision too


def heatmap_on_scan(explanation: Explanation) -> NDArray[np.float32]:
    """Bring a heatmap into the scan's pixels, bilinearly and without the padding the network saw.

    Returns:
        float32, H × W, not negative, in the heatmap's own units.
    """
    fit = fit_of(explanation.scan_shape, explanation.input_shape)
    size = (fit.canvas_width, fit.canvas_height)
    canvas = cv2.resize(explanation.heatmap, size, interpolation=cv2.INTER_LINEAR)
    height, width = explanation.scan_shape
    return canvas[fit.top : fit.top + height, fit.left : fit.left + width].astype(np.float32)


def overlay(scan: Scan, explanation: Explanation, *, opacity: float = 0.5) -> NDArray[np.uint8]:
    """Draw a heatmap over its scan: the stronger the evidence, the more colour covers the grey.

    Args:
        scan: The scan explained.
        explanation: Its explanation.
        opacity: 0 shows the scan alone; 1 covers the strongest place wholly.

    Returns:
        uint8, H × W × 3, RGB.

    Raises:
        EmptyHeatmap: There is no positive evidence to draw.
    """
    heat = heatmap_on_scan(explanation)
    peak = float(heat.max())
    if peak <= 0:
        raise EmptyHeatmap(explanation.sentence)
    share = heat / peak
    colours = _coloured(share).astype(np.float32)
    cover = (np.clip(opacity, 0, 1) * share)[..., None]
    drawn = scan.grey()[..., None] * (1 - cover) + colours * cover
    return np.asarray(np.clip(drawn.round(), 0, 255), np.uint8)


def heatmap_legend(*, height: int = 12, width: int = 256) -> NDArray[np.uint8]:
    """Draw the colours from no evidence (left) to the strongest place of the scan (right), uint8 RGB."""
    return _coloured(np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1)))


def png_bytes(picture: NDArray[np.uint8]) -> bytes:
    """Encode a grey (H × W) or RGB (H × W × 3) uint8 picture as PNG."""
    ordered = picture if picture.ndim == 2 else picture[..., ::-1]
    encoded: NDArray[np.uint8] = cv2.imencode(".png", np.ascontiguousarray(ordered))[1]
    return encoded.tobytes()


def _coloured(share: NDArray[np.float32]) -> NDArray[np.uint8]:
    levels = np.asarray((share * 255).round(), np.uint8)
    return np.asarray(cv2.applyColorMap(levels, COLOURS)[..., ::-1], np.uint8)
