"""The registry of methods."""

import functools

from core.errors import StageLensError
from core.explain.explanation import Explainer
from core.registry import collect


def explainers(*, morphometric: bool = False) -> tuple[Explainer, ...]:
    """Return every explanation method of networks, or of morphometric models, in the order they are offered."""
    return tuple(one for one in _every() if one.morphometric == morphometric)


@functools.cache
def _every() -> tuple[Explainer, ...]:
    return collect("core.explain.methods", "EXPLAINER", Explainer)


def explainer(name: str) -> Explainer:
    """Return the explanation method with a name.

    Raises:
        StageLensError: There is no such method.
    """
    for method in _every():
        if method.name == name:
            return method
    known = ", ".join(method.name for method in _every())
    raise StageLensError(f"there is no method {name!r}; known are {known}.")
