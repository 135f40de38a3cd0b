"""The Explanation: a raw heatmap, how it was made, and its checks."""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model

from core.errors import StageLensError
from core.networks.inference.engine import Centres
from core.networks.inference.prediction import Prediction
from core.networks.inference.predictor import Predictor
from core.plain import number_or_none

Floats = NDArray[np.float32]
EMPTY = "No positive evidence for {name} in this scan: the heatmap is empty."


@dataclass(frozen=True, eq=False)
class Explanation:
    """A heatmap for one scan and one class.

    Attributes:
        heatmap: float32, h × w (or d × h × w), in the method's own resolution, not scaled; negative values are evidence
            against the class, and only `signed` methods have them.
        scan_shape: Rows and columns (depth first) of the scan.
        input_shape: Rows and columns (depth first) of the network's input.
        centres: Where the rows and columns (depth first) of the heatmap lie, in pixels of the network's input.
        method: Name of the method.
        class_name: The class explained.
        settings: What else it depends on, such as the layer or the baseline.
        prediction: The network's prediction from the same pass.
        shows: One sentence: what this map shows.
        checks: Name of a check to its outcome.
        failed_checks: One sentence for each check that failed.
    """

    heatmap: Floats
    scan_shape: tuple[int, ...]
    input_shape: tuple[int, ...]
    centres: Centres
    method: str
    class_name: str
    settings: dict[str, Any]
    prediction: Prediction
    shows: str = ""
    checks: dict[str, Any] = field(default_factory=dict)
    failed_checks: tuple[str, ...] = ()

    @property
    def positive(self) -> Floats:
        """The evidence for the class, not negative."""
        return np.maximum(self.heatmap, 0)

    @property
    def peak(self) -> float:
        """Largest value of the heatmap, in the method's units."""
        return float(self.heatmap.max())

    @property
    def is_empty(self) -> bool:
        """Whether there is no positive evidence at all, so that there is nothing to draw."""
        return not self.peak > 0

    @property
    def is_reliable(self) -> bool:
        """Whether there is something to see and no check failed."""
        return not self.is_empty and not self.failed_checks

    @property
    def sentence(self) -> str:
        """Say what the heatmap shows and, if checks failed, that it is not reliable."""
        if self.is_empty:
            return EMPTY.format(name=self.class_name)
        text = self.shows
        fraction = self.checks.get("background_evidence")
        if fraction is not None:
            dark = self.checks["background"]
            text += (
                f" {100 * fraction:.0f} % of the evidence lies where the picture is dark, in {100 * dark:.0f} % of it."
            )
            text += "" if self.failed_checks else " Nothing is drawn on the air around the head."
        return " ".join([text, *(f"Explanation unreliable: {check}" for check in self.failed_checks)])

    @property
    def cells(self) -> str:
        """Resolution of the heatmap in words, such as "4 × 3"."""
        return " × ".join(str(side) for side in self.heatmap.shape)

    def as_dict(self) -> dict[str, Any]:
        """Return everything except the pixels as plain values for JSON."""
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
    """Scans to explain, after the one forward pass that every method needs.

    Attributes:
        predictor: The network.
        inputs: float32, N × height × width × 1 (or N × depth × height × width × 1), grey levels in [0, 255].
        classes: int64, N, the class to explain for each, as an index into the recipe's classes.
        feature_maps: float32, N × h × w × channels, at the target layer.
        logits: float32, N × classes.
        heights_mm: Height of each axial slice in standard space; None if not known.
        kernel: float32, N × channels × classes, the head's weights under dropout; None for the unchanged weights.
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
    """The result of a method.

    Attributes:
        maps: float32, N × h × w (or N × d × h × w).
        settings: What it depends on, besides the settings given.
        checks: For each scan, the checks that only the method itself can make.
        layer: The layer whose cells they have; "" for maps that share the input evenly among their values.
    """

    maps: Floats
    settings: dict[str, Any] = field(default_factory=dict)
    checks: Sequence[dict[str, Any]] = ()
    layer: str = ""


@dataclass(frozen=True)
class Explainer:
    """The record that every method of `core.explain.methods` exports.

    The same scan gets the same map, alone or in a batch; a method that draws at random has a setting `seed`, and may
    draw anew for each scan of a batch.

    Attributes:
        name: Its name on the command line.
        priority: Methods are offered in this order, lowest first.
        title: Its usual name.
        source: Paper, with its year or its number at arXiv.
        compute: From an ExplanationBatch, and the method's settings as keywords, to an Attribution.
        shows: What the map shows, in a sentence of more than 40 letters; may contain {cells}, {layer} and the settings,
            and names the {class_name} that is explained, unless the map is `of_no_class`.
        hides: What it does not show, in a sentence of more than 40 letters.
        cost: The cost of one map, in words.
        signed: Whether values below zero are evidence against the class. The maps of the others have none.
        of_no_class: Whether the map is evidence for no class, whichever is asked about.
        known_to_fail: Why this method is known to fail the randomisation check; "" for the others.
        morphometric: Whether it is for morphometric models, and not for networks.
    """

    name: str
    priority: int
    title: str
    source: str
    _: KW_ONLY
    compute: Callable[..., Attribution]
    shows: str
    hides: str
    cost: str
    signed: bool = False
    of_no_class: bool = False
    known_to_fail: str = ""
    morphometric: bool = False

    @functools.cached_property
    def defaults(self) -> dict[str, Any]:
        """The method's settings with their default values."""
        return {name: parameter.default for name, parameter in self._parameters().items()}

    @property
    def draws_at_random(self) -> bool:
        """Whether the map depends on random numbers, which its setting `seed` repeats."""
        return "seed" in self.defaults

    def checked_settings(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return all settings of a run: the given ones, checked, and the defaults for the others.

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
