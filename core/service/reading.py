"""Reading scans for people: the loaded networks, and prediction with explanation in one go."""

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.explain import Explanation, explainer
from core.networks.card import open_bundle
from core.networks.predictor import Predictor, load_predictor
from core.scans import Scan

LOADED_AT_ONCE = 4
_loading = threading.Lock()


@dataclass(frozen=True, eq=False)
class Reading:
    """One scan with what a network says of it and why.

    Attributes:
        scan: The scan.
        explanation: The heatmap of one class, holding the prediction too.
    """

    scan: Scan
    explanation: Explanation


def predictor_of(name: str | Path | None = None) -> Predictor:
    """Return a bundle's network, loaded once per process and warmed up.

    Raises:
        BundleError: There is no such bundle, or it is damaged.
    """
    bundle = open_bundle(name)
    with _loading:
        return _load(str(bundle.folder), (bundle.folder / "card.json").stat().st_mtime_ns)


def read_scans(
    scans: Sequence[Scan], predictor: Predictor, *, class_name: str | None = None, method: str = "grad-cam"
) -> list[Reading]:
    """Predict and explain scans.

    Args:
        scans: Any number of scans.
        predictor: A loaded bundle.
        class_name: The class to explain; None for the predicted one of each scan.
        method: Name of the explanation method.

    Raises:
        StageLensError: The class or the method is not known.
    """
    explanations = explainer(method).explain(predictor, scans, [class_name] * len(scans))
    return [Reading(scan, explanation) for scan, explanation in zip(scans, explanations, strict=True)]


@functools.lru_cache(maxsize=LOADED_AT_ONCE)
def _load(folder: str, changed: int) -> Predictor:
    del changed  # part of the key, so that a replaced bundle is loaded anew
    predictor = load_predictor(open_bundle(folder))
    predictor.warm_up()
    return predictor
