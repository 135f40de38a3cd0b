"""Explaining one scan in depth, with the checks that cost more."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.errors import StageLensError
from core.explain import Explanation, explain, explainer
from core.explain.attribution import ask
from core.explain.checks.faithfulness import Faithfulness, agreement, faithfulness
from core.explain.checks.randomisation import CascadingRandomisation, cascading_randomisation
from core.explain.checks.stability import Stability, stability
from core.explain.explanation import ExplanationBatch
from core.explain.reading import Reading
from core.explain.targets import class_indices
from core.networks.inference.predictor import Predictor
from core.scans import Scan

COPIES = 10


@dataclass(frozen=True, eq=False)
class Study:
    """A heatmap with the costly checks that were asked for.

    Attributes:
        reading: The scan with its heatmaps.
        stability: Of the strongest slice; None if not asked for.
        faithfulness: Of it.
        cascading_randomisation: Of it: the sanity check layer by layer.
        others: Heatmaps of the same slice and class by other methods.
    """

    reading: Reading
    stability: Stability | None = None
    faithfulness: Faithfulness | None = None
    cascading_randomisation: CascadingRandomisation | None = None
    others: tuple[Explanation, ...] = ()

    def agreements(self) -> dict[str, str]:
        """Say for each further method how far its map agrees with the heatmap."""
        own, said = self.reading.explanation, {}
        for other in self.others:
            found = agreement([own, other])[own.method][other.method]
            said[other.method] = (
                f"correlation {found['pearson']:.2f} with {explainer(own.method).title}, "
                f"{100 * found['top']:.0f} % of the strongest tenth in common"
            )
        return said

    def as_dict(self) -> dict[str, Any]:
        """Return what the checks found as plain values for JSON."""
        explanation = self.reading.explanation
        found: dict[str, Any] = {}
        if self.stability is not None:
            found["stability"] = self.stability.as_dict()
        if self.faithfulness is not None:
            found["faithfulness"] = self.faithfulness.as_dict()
        if self.cascading_randomisation is not None:
            found["cascading-randomisation"] = self.cascading_randomisation.as_dict()
        if self.others:
            found["others"] = [other.as_dict() for other in self.others]
            found["agreement"] = agreement([explanation, *self.others])
        return found


def study(
    reading: Reading,
    predictor: Predictor,
    *,
    checks: Sequence[str] = (),
    compare: Sequence[str] = (),
    settings: dict[str, Any] | None = None,
    height_mm: float | None = None,
    copies: int = COPIES,
) -> Study:
    """Make costly checks of a reading's heatmap; of a volume, of its strongest slice.

    Args:
        reading: A scan with its heatmaps.
        predictor: The network.
        checks: Any of "stability", "faithfulness" and "cascading-randomisation".
        compare: Names of further methods for the same slice and class.
        settings: Of the method, as the heatmap was made.
        height_mm: Height of an image, where it is known.
        copies: Changed copies of each kind, for stability.

    Returns:
        The reading, its heatmap with the checks that failed.

    Raises:
        StageLensError: The network reads whole volumes; these checks are of slices.
    """
    if not checks and not compare:
        return Study(reading)
    if predictor.recipe.depth is not None:
        raise StageLensError("stability, faithfulness and comparisons are for networks of slices.")
    scan, explanation = reading.slices[reading.strongest], reading.explanation
    heights = reading.prediction.heights_mm
    height = heights[reading.strongest] if heights else height_mm
    name, method, chosen = explanation.class_name, explanation.method, settings or {}
    stable = faithful = steps = None
    batch = asked_of(predictor, scan, name, height)
    if "stability" in checks:
        stable = stability(predictor, scan, name, method, copies=copies, settings=chosen, original=batch)
    if "faithfulness" in checks:
        faithful = faithfulness(batch, explanation)
    if "cascading-randomisation" in checks:
        steps = cascading_randomisation(predictor, [scan], method, heights_mm=[height], **chosen)
    others = tuple(explain(predictor, [scan], [name], one, heights_mm=[height])[0] for one in compare if one != method)
    return Study(
        reading=with_failed_checks(reading, stable, faithful),
        stability=stable,
        faithfulness=faithful,
        cascading_randomisation=steps,
        others=others,
    )


def asked_of(predictor: Predictor, scan: Scan, class_name: str, height_mm: float | None = None) -> ExplanationBatch:
    """Run the pass of an image that all costly checks need."""
    wanted = class_indices(predictor.recipe, [class_name])
    return ask(predictor, predictor.inputs([scan.grey()]), wanted, heights_mm=[height_mm])


def with_failed_checks(reading: Reading, stable: Stability | None, faithful: Faithfulness | None) -> Reading:
    """Return a reading whose strongest heatmap names the costly checks that failed, too."""
    failed_checks = list(reading.explanation.failed_checks)
    if stable is not None and not stable.holds:
        failed_checks.append(stable.verdict[0].lower() + stable.verdict[1:])
    if faithful is not None:
        failed_checks += faithful.failed_checks
    explanations = list(reading.explanations)
    explanations[reading.strongest] = replace(reading.explanation, failed_checks=tuple(dict.fromkeys(failed_checks)))
    return replace(reading, explanations=tuple(explanations))


def path_frames(
    predictor: Predictor, scan: Scan, class_name: str, alphas: Sequence[float]
) -> tuple[list[np.ndarray], list[float]]:
    """Return images along the path from black to a scan, and the class's logit at each.

    Args:
        predictor: The network.
        scan: An image.
        class_name: Whose logit.
        alphas: In [0, 1].

    Returns:
        float32 images of the network's size, and logits.
    """
    (inputs,) = predictor.inputs([scan.grey()])
    index = int(class_indices(predictor.recipe, [class_name])[0])
    images = np.stack([inputs * np.float32(at) for at in alphas])
    return [image[..., 0] for image in images], predictor.logits_of(images)[:, index].tolist()
