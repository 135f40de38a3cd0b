"""Why a network says what it says: heatmaps and their pictures."""

import functools

from core.errors import StageLensError
from core.explain.explanation import Explainer, Explanation
from core.explain.overlay import heatmap_legend, heatmap_on_scan, overlay, png_bytes
from core.registry import collect

__all__ = [
    "Explainer",
    "Explanation",
    "explainer",
    "explainers",
    "heatmap_legend",
    "heatmap_on_scan",
    "overlay",
    "png_bytes",
]


@functools.cache
def explainers() -> tuple[Explainer, ...]:
    """Return every explanation method, in the order they are offered."""
    return collect("core.explain.methods", "EXPLAINER", Explainer)


def explainer(name: str) -> Explainer:
    """Return the explanation method of a name.

    Raises:
        StageLensError: There is no such method.
    """
    for method in explainers():
        if method.name == name:
            return method
    known = ", ".join(method.name for method in explainers())
    raise StageLensError(f"there is no method {name!r}; known are {known}.")
