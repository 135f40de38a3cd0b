"""The Explanation: a raw heatmap, how it was made, and what is known about it."""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model

from core.errors import StageLensError
from core.networks.inference.prediction import Prediction
from core.networks.inference.predictor import Predictor
from core.plain import number_or_none

Floats = NDArray[np.float32]
EMPTY = "No positive evidence for {name} in this scan: the heatmap is empty."


@dataclass(frozen=True, eq=False)
class Explanation:
    """A heatmap for one scan and one class.

    Attributes:
        heatmap: float32, h × w (or d × h × w), in the method's own resolution, not scaled; negative values speak
            against the class, and only methods that are `signed` have them.
        scan_shape: Rows and columns (depth first) of the scan.
        input_shape: The same of the image the network saw.
        method: Name of the method.
        class_name: The class it speaks for.
        settings: What else it depends on, such as the layer or the baseline.
        prediction: What the network said of the scan in the same pass.
        shows: One sentence: what this map is.
        checks: Name of a check to its outcome.
        failed_checks: One sentence for each check that failed.
    """

    heatmap: Floats
    scan_shape: tuple[int, ...]
    input_shape: tuple[int, ...]
    method: str
    class_name: str
    settings: dict[str, Any]
    prediction: Prediction
    shows: str = ""
    checks: dict[str, Any] = field(default_factory=dict)
    failed_checks: tuple[str, ...] = ()

    @property
    def positive(self) -> Floats:
        """What speaks for the class, not negative."""
        return np.maximum(self.heatmap, 0)

    @property
    def peak(self) -> float:
        """Largest value of the heatmap, in the method's units."""
        return float(self.heatmap.max())

    @property
    def is_empty(self) -> bool:
        """Whether there is no positive evidence at all, so that nothing can be drawn."""
        return not self.peak > 0

    @property
    def is_reliable(self) -> bool:
        """Whether there is something to see and no check failed."""
        return not self.is_empty and not self.failed_checks

    @property
    def sentence(self) -> str:
        """Say what the heatmap shows and, where checks failed, that it is not to be relied on."""
        if self.is_empty:
            return EMPTY.format(name=self.class_name)
        said = self.shows
        fraction = self.checks.get("background_evidence")
        if fraction is not None:
            dark = self.checks["background"]
            said += f" {fraction:.0%} of the evidence lies on dark background, which fills {dark:.0%} of the picture."
        return " ".join([said, *(f"Explanation unreliable: {warning}" for warning in self.failed_checks)])

    @property
    def cells(self) -> str:
        """Resolution of the heatmap in words, such as "4 × 3"."""
        return " × ".join(str(side) for side in self.heatmap.shape)

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the pixels as plain values for JSON."""
        return {
            "method": self.method,
            "class": self.class_name,
            "settings": self.settings,
            "peak": number_or_none(self.peak),
            "empty": self.is_empty,
            "reliable": self.is_reliable,
            "failed_checks": list(self.failed_checks),
            "cells": list(self.heatmap.shape),
            "checks": self.checks,
        }


@dataclass(frozen=True, eq=False)
class ExplanationBatch:
    """What is to be explained, after the one pass that every method needs anyway.

    Attributes:
        predictor: The network.
        inputs: float32, N × height × width × 1 (or N × depth × height × width × 1), grey in [0, 255].
        classes: int64, N, the class of each, as a place in the recipe's.
        feature_maps: float32, N × h × w × channels, at the target layer.
        logits: float32, N × classes.
        heights_mm: Height of each axial slice in standard space; None where it is not known.
        kernel: float32, N × channels × classes, the head's weights where dropout has thinned them; None as they are.
    """

    predictor: Predictor
    inputs: Floats
    classes: NDArray[np.int64]
    feature_maps: Floats
    logits: Floats
    heights_mm: Sequence[float | None]
    kernel: Floats | None = None


@dataclass(frozen=True, eq=False)
class Attribution:
    """What a method computed.

    Attributes:
        maps: float32, N × h × w (or N × d × h × w).
        settings: What it depends on, besides what it was asked with.
        checks: Of each scan, checks that only the method itself can make.
    """

    maps: Floats
    settings: dict[str, Any] = field(default_factory=dict)
    checks: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True)
class Explainer:
    """The record that every method of `core.explain.methods` exports.

    Attributes:
        name: As the command line calls it.
        priority: Methods are offered in this order, lowest first.
        title: As people call it.
        source: Paper.
        compute: From what was asked, and the method's settings as keywords, to the heat.
        shows: What the map shows, in a sentence; may name {class_name}, {cells} and {layer}.
        hides: What it does not show, in a sentence.
        signed: Whether values below zero speak against the class.
        cost: What one map costs, in words.
        known_to_fail: Why this method is known to fail the randomisation check; "" for the others.
    """

    name: str
    priority: int
    title: str
    source: str
    compute: Callable[..., Attribution]
    shows: str
    hides: str
    signed: bool = False
    cost: str = "a forward pass"
    known_to_fail: str = ""

    @functools.cached_property
    def defaults(self) -> dict[str, Any]:
        """The method's settings with what they are if nothing is said."""
        return {name: parameter.default for name, parameter in self._parameters().items()}

    def checked_settings(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return all settings of a run: the given ones, checked, and the defaults of the others.

        Raises:
            StageLensError: There is no such setting, or a value is not allowed.
        """
        unknown = [name for name in given if name not in self.defaults]
        if unknown:
            known = ", ".join(self.defaults) or "none"
            raise StageLensError(f"{self.title} has no setting {unknown[0]!r}; it has {known}.")
        hints = get_type_hints(self.compute, include_extras=True)
        fields: dict[str, Any] = {name: (hints[name], default) for name, default in self.defaults.items()}
        model = create_model("Settings", __config__=ConfigDict(extra="forbid"), **fields)
        try:
            return dict(TypeAdapter(model).validate_python(given).__dict__)
        except ValidationError as error:
            first = error.errors()[0]
            raise StageLensError(
                f"{self.title}: {'.'.join(map(str, first['loc']))} = {first['input']!r}: {first['msg']}."
            ) from error

    def _parameters(self) -> dict[str, inspect.Parameter]:
        return {
            name: parameter
            for name, parameter in inspect.signature(self.compute).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }
