"""The files that an explanation leaves on disk."""

from pathlib import Path

import numpy as np

from core.errors import StageLensError
from core.explain import overlay, png_bytes
from core.service.reading import Reading


def save_pictures(reading: Reading, out: Path, *, opacity: float) -> dict[str, Path]:
    """Write the scan, the raw heatmap and, unless it is empty, the overlay; names come from the scan's content.

    Args:
        reading: A scan with its explanation.
        out: Folder, made if need be.
        opacity: Of the heatmap, 0 to 1.

    Returns:
        What was written: "scan" (PNG), "heatmap" (NPY, float32, raw) and "overlay" (PNG) by path.

    Raises:
        StageLensError: The folder cannot be written.
    """
    explanation = reading.explanation
    stem = f"{reading.scan.name}-{explanation.method}-{explanation.class_name.lower().replace(' ', '-')}"
    files = {"scan": out / f"{reading.scan.name}.png", "heatmap": out / f"{stem}.npy"}
    try:
        out.mkdir(parents=True, exist_ok=True)
        files["scan"].write_bytes(png_bytes(reading.scan.picture()))
        np.save(files["heatmap"], explanation.heatmap)
        if not explanation.is_empty:
            files["overlay"] = out / f"{stem}.png"
            files["overlay"].write_bytes(png_bytes(overlay(reading.scan, explanation, opacity=opacity)))
    except OSError as error:
        raise StageLensError(f"{out} cannot be written: {error.strerror}.") from error
    return files
