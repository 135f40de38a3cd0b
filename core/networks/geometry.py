"""Where a scan lies in the image the network sees: scaled with its aspect kept, centred, padded with black."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fit:
    """The scan's place in its padded canvas, before that canvas is scaled to the network's size; all in scan pixels.

    Attributes:
        canvas_height: Rows of the canvas.
        canvas_width: Columns of the canvas.
        top: Rows of padding above the scan.
        left: Columns of padding left of the scan.
    """

    canvas_height: int
    canvas_width: int
    top: int
    left: int


def fit_of(shape: tuple[int, int], target: tuple[int, int]) -> Fit:
    """Return how a scan is padded to the aspect of the network's input, as Keras' `pad_to_aspect_ratio` does it.

    Args:
        shape: Rows and columns of the scan.
        target: Rows and columns of the network's input.
    """
    height, width = shape
    target_height, target_width = target
    canvas_height = max(height, int(width * target_height / target_width))
    canvas_width = max(width, int(height * target_width / target_height))
    return Fit(canvas_height, canvas_width, (canvas_height - height) // 2, (canvas_width - width) // 2)
