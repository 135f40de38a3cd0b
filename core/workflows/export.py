"""Bundles for other programs: Keras' own file and ONNX."""

from pathlib import Path

from core.errors import BundleError
from core.files import replacing
from core.networks.architectures.network import Network
from core.networks.bundle import Bundle
from core.networks.checkpoint import network_of_phase
from core.networks.export import save_keras, save_onnx
from core.networks.inference.loading import load_predictor
from core.runs.folder import recipe_of_run

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
    _check_formats(formats)
    return _written(load_predictor(bundle).network, bundle.name, out, formats)


def export_phase(run: Path, phase: int, out: Path, formats: list[str]) -> list[Path]:
    """Write a run's network as one of its phases left it; `phase` counts from 1, the rest as for `export_bundle`.

    Raises:
        StageLensError: The folder holds no run, not that checkpoint, or a format is not known.
    """
    _check_formats(formats)
    network = network_of_phase(run, phase, recipe_of_run(run))
    return _written(network, f"{run.resolve().name}-phase{phase}", out, formats)


def _check_formats(formats: list[str]) -> None:
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise BundleError(f"there is no export format {unknown[0]!r}; known are {', '.join(FORMATS)}.")


def _written(network: Network, name: str, out: Path, formats: list[str]) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for one in formats:
        suffix, save = FORMATS[one]
        target = out / f"{name}{suffix}"
        with replacing(target) as unfinished:
            save(network, unfinished)
        written.append(target)
    return written
