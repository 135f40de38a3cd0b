"""The registry of methods."""

import functools

from core.errors import StageLensError
from core.explain.explanation import Explainer
from core.registry import collect


@functools.cache
def explainers() -> tuple[Explainer, ...]:
    """Return every explanation method, in the order they are offered."""
    return collect("core.explain.methods", "EXPLAINER", Explainer)


def explainer(name: str) -> Explainer:
    """Return the explanation method with a name.

    Raises:
        StageLensError: There is no such method.
    """
    for method in explainers():
        if method.name == name:
            return method
    known = ", ".join(method.name for method in explainers())
    raise StageLensError(f"there is no method {name!r}; known are {known}.")
