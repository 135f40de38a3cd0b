"""The heatmaps of a whole part of a split."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explain.explanation import Explanation
from core.results import Estimate


@dataclass(frozen=True, eq=False)
class MeanMap:
    """The mean heatmap of the scans that were explained for one class.

    Each scan's positive evidence is scaled to a sum of one first, so that every scan counts alike, however sure the
    network is of it. Slices lie at several heights, and heads differ: the mean says where in the picture the evidence
    tends to lie, and not in which structure.

    Attributes:
        image: float32, H × W (D × H × W), the mean of these scans at the network's size, in [0, 255].
        explanation: Its heatmap is the mean one, in the network's pixels.
        scans: How many it is the mean of; those without positive evidence are not among them.
        people: Whose they are.
    """

    image: NDArray[np.float32]
    explanation: Explanation
    scans: int
    people: int


@dataclass(frozen=True, eq=False)
class Example:
    """One scan with its label.

    Attributes:
        image: float32, H × W (D × H × W), at the network's size, in [0, 255].
        label: Its class in the split.
        explanation: Its heatmap; None for a scan that was rejected.
    """

    image: NDArray[np.float32]
    label: str
    explanation: Explanation | None


@dataclass(frozen=True, eq=False)
class Steadiness:
    """The stability of many heatmaps under one kind of change.

    Attributes:
        title: The change in words.
        measures: "ssim", "pearson", "spearman", "top", and "class_held", the fraction of the changed copies that got
            the class of the unchanged scan: means over the scans, with their intervals over people.
        null: The mean of the first four over the scans for meaningless maps of the same size.
    """

    title: str
    measures: dict[str, Estimate]
    null: dict[str, float]


@dataclass(frozen=True, eq=False)
class ExplainedPart:
    """The heatmaps of a part of a split.

    Attributes:
        part: train, val or test.
        method: Name of the method.
        table: A row a scan: name, path, label, subject, slice, answer, probabilities, the explained class, and what
            the checks of its heatmap found.
        explanations: In the table's order; None for a scan that was rejected.
        means: The mean heatmap of each class that scans were explained for.
        examples: Some scans of each label, of as many people as there are.
        steadiness: By the name of the change, if stability was asked for.
        stable: The fraction of the scans whose heatmaps are stable, if it was.
        held: The fraction of the scans whose every changed copy got the class of the unchanged one, if it was.
    """

    part: str
    method: str
    table: pd.DataFrame
    explanations: tuple[Explanation | None, ...]
    means: dict[str, MeanMap]
    examples: dict[str, tuple[Example, ...]]
    steadiness: dict[str, Steadiness]
    stable: Estimate | None
    held: Estimate | None
