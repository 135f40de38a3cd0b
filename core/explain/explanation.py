"""The Explanation: a raw heatmap, how it was made, and what is known about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.networks.predictor import Prediction, Predictor
from core.scans import Scan

EMPTY = "No positive evidence for {name} in this scan: the heatmap is empty."


@dataclass(frozen=True, eq=False)
class Explanation:
    """A heatmap for one scan and one class.

    Attributes:
        heatmap: float32, h × w, at the resolution of the target layer, not negative, not scaled.
        scan_shape: Rows and columns of the scan.
        input_shape: Rows and columns of the image the network saw.
        method: Name of the method.
        class_name: The class it speaks for.
        settings: What else it depends on, such as the layer.
        prediction: What the network said of the scan in the same pass.
        checks: Name of a check to its outcome.
    """

    heatmap: NDArray[np.float32]
    scan_shape: tuple[int, int]
    input_shape: tuple[int, int]
    method: str
    class_name: str
    settings: dict[str, Any]
    prediction: Prediction
    checks: dict[str, Any] = field(default_factory=dict)

    @property
    def peak(self) -> float:
        """Largest value of the heatmap, in logits per unit of activation."""
        return float(self.heatmap.max())

    @property
    def is_empty(self) -> bool:
        """Whether there is no positive evidence at all, so that nothing can be drawn."""
        return self.peak <= 0

    @property
    def sentence(self) -> str:
        """Say in one line what the heatmap shows."""
        if self.is_empty:
            return EMPTY.format(name=self.class_name)
        sentence = f"Where {self.settings['layer']} speaks for {self.class_name}, in {self.cells} coarse cells."
        share = self.checks.get("share_on_background")
        if share is None:
            return sentence
        dark = self.checks["background"]
        return f"{sentence} {share:.0%} of the evidence lies on dark background, which fills {dark:.0%} of the picture."

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
            "peak": self.peak,
            "empty": self.is_empty,
            "cells": list(self.heatmap.shape),
            "checks": self.checks,
        }


Explain = Callable[[Predictor, Sequence[Scan], Sequence[str | None]], list[Explanation]]


@dataclass(frozen=True)
class Explainer:
    """The record that every method of `core.explain.methods` exports.

    Attributes:
        name: As the command line calls it.
        priority: Methods are offered in this order, lowest first.
        title: As people call it.
        source: Paper.
        explain: Predictor, scans and one class name a scan (None for the predicted class) to explanations.
    """

    name: str
    priority: int
    title: str
    source: str
    explain: Explain
