"""Bundles for other programs: Keras' own file and ONNX."""

from pathlib import Path

from core.errors import BundleError
from core.files import replacing
from core.networks.bundle import Bundle
from core.networks.export import save_keras, save_onnx
from core.networks.inference.predictor import load_predictor

FORMATS = {"keras": (".keras", save_keras), "onnx": (".onnx", save_onnx)}


def export_bundle(bundle: Bundle, out: Path, formats: list[str]) -> list[Path]:
    """Write a bundle's network in other formats.

    Args:
        bundle: What to export.
        out: Folder for the files, made if need be.
        formats: Any of "keras" and "onnx".

    Returns:
        The files written.

    Raises:
        BundleError: A format is not known, or its library is not installed.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise BundleError(f"there is no export format {unknown[0]!r}; known are {', '.join(FORMATS)}.")
    network = load_predictor(bundle).network
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name in formats:
        suffix, save = FORMATS[name]
        target = out / f"{bundle.name}{suffix}"
        with replacing(target) as unfinished:
            save(network, unfinished)
        written.append(target)
    return written
