"""What pages ask of worker processes: functions of scans and of a bundle's folder, whose answers can be sent back.

The scans are those of one session and come with the question; a worker keeps networks, and heads in standard space by
the digest of the scan they were made of.
"""

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import StageLensError
from core.explain import Explanation, explain
from core.explain.reading import Reading
from core.files import PROJECT
from core.networks.bundle import open_bundle
from core.networks.inference.compiled import PREPARING, is_compiled, told
from core.networks.inference.engine import wants_openvino
from core.networks.inference.prediction import Prediction
from core.networks.inference.predictor import Predictor
from core.scans import Scan
from core.workflows.predict import keep_head, predict_scans, predictor_of, read_scans, standard_head

if TYPE_CHECKING:
    from core.explain.checks.faithfulness import Faithfulness
    from core.explain.checks.randomisation import CascadingRandomisation
    from core.explain.checks.stability import Stability
    from core.scans.registration.head import StandardHead

LONGEST_S = 600.0  # for compiling; then it is tried here


def made_ready(folder: str) -> Predictor:
    """Return a bundle's network, loaded once a process.

    One that was never compiled on this machine is compiled in a process of its own, which needs the network library
    and a gigabyte; this one stays small.
    """
    bundle = open_bundle(folder)
    if (
        bundle.recipe.morphometry is None
        and wants_openvino()
        and "keras" not in sys.modules
        and not is_compiled(bundle)
    ):
        told.info(PREPARING)
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(  # noqa: S603 - this Python, this module
                [sys.executable, "-m", "core.workflows.asked", folder],
                cwd=PROJECT,
                check=False,
                timeout=LONGEST_S,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
    return predictor_of(folder)


def loaded(folder: str) -> str:
    """Load a bundle's network, so that the first who asks does not wait; return its name."""
    return made_ready(folder).bundle.name


def reading_of(
    folder: str,
    scan: Scan,
    class_name: str | None,
    method: str,
    head: "StandardHead | None" = None,
    age: float | None = None,
) -> Reading:
    """Read and explain one scan; as `core.workflows.predict.read_scans`.

    Args:
        folder: Of the bundle.
        scan: The scan.
        class_name: The class to explain; None for the predicted one.
        method: Of explanation.
        head: What the volume became in standard space, if somebody made it before.
        age: Of the person, in years, for models that ask for it; None if unknown.

    Returns:
        The reading, without the head where it was given: whoever asked has it.
    """
    if head is not None:
        keep_head(scan.digest, head)
    (reading,) = read_scans([scan], made_ready(folder).for_age(age), class_name=class_name, method=method)
    return reading if head is None else replace(reading, head=None)


def knowing_of(folders: Sequence[str], scan: Scan) -> list[str]:
    """Return which of some bundles know such scans: those that read it, and whose OOD check accepts it.

    Args:
        folders: Of the bundles.
        scan: An image.
    """
    found = []
    for folder in folders:
        with contextlib.suppress(StageLensError):  # one that reads no images, or is damaged
            (reading,) = predict_scans([scan], made_ready(folder))
            if reading.prediction.ood is not None and not reading.prediction.rejected:
                found.append(folder)
    return found


def head_of(scan: Scan) -> "tuple[StandardHead, NDArray[np.uint8]]":
    """Bring a volume into standard space, and draw the check of it; as `core.workflows.predict.standard_head`."""
    from core.reporting.pictures.overlays import registration_check

    head = standard_head(scan)
    return head, registration_check(head)


def prediction_of(folder: str, scan: Scan) -> Prediction:
    """Predict an image as it is."""
    (prediction,) = made_ready(folder).predict([scan])
    return prediction


def map_of(
    folder: str, scan: Scan, class_name: str, method: str, height_mm: float | None, settings: dict[str, Any]
) -> Explanation:
    """Explain an image for one class; as `core.explain.explain`."""
    (found,) = explain(made_ready(folder), [scan], [class_name], method, heights_mm=[height_mm], **settings)
    return found


def layers_of(folder: str) -> tuple[str, ...]:
    """Return the layers at which heatmaps can be made, from the finest to the coarsest."""
    return made_ready(folder).layers


def path_of(folder: str, scan: Scan, class_name: str, alphas: Sequence[float]) -> tuple[list[np.ndarray], list[float]]:
    """Go along the path of Integrated Gradients; as `core.workflows.explain.study.path_frames`."""
    from core.workflows.explain.study import path_frames

    return path_frames(made_ready(folder), scan, class_name, alphas)


def stability_of(
    folder: str, scan: Scan, class_name: str, method: str, copies: int, height_mm: float | None
) -> "Stability":
    """Change a scan and see how its map changes; as `core.explain.checks.stability.stability`."""
    from core.explain.checks.stability import stability

    return stability(made_ready(folder), scan, class_name, method, copies=copies, height_mm=height_mm)


def randomisation_of(folder: str, scan: Scan, method: str, height_mm: float | None) -> "CascadingRandomisation":
    """Randomise the network layer by layer; as `core.explain.checks.randomisation.cascading_randomisation`."""
    from core.explain.checks.randomisation import cascading_randomisation

    return cascading_randomisation(made_ready(folder), [scan], method, heights_mm=[height_mm])


def faithfulness_of(
    folder: str, scan: Scan, class_name: str, height_mm: float | None, explanation: Explanation
) -> "Faithfulness":
    """Delete and insert what a map highlights; as `core.explain.checks.faithfulness.faithfulness`."""
    from core.explain.checks.faithfulness import faithfulness
    from core.workflows.explain.study import asked_of

    return faithfulness(asked_of(made_ready(folder), scan, class_name, height_mm), explanation)


if __name__ == "__main__":
    predictor_of(sys.argv[1])
