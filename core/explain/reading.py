"""A Reading: one scan with a network's prediction and its explanations."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.explain.explanation import Explanation
from core.networks.inference.prediction import Prediction
from core.scans import Scan

if TYPE_CHECKING:
    from core.scans.registration.head import StandardHead


@dataclass(frozen=True, eq=False)
class Reading:
    """One scan with a network's prediction and its explanations.

    Attributes:
        scan: The scan as it was read.
        prediction: The network's prediction.
        slices: What the network read: the image, or the slices of a volume, from the lowest up.
        explanations: A heatmap for each slice, all for one class; empty if only a prediction was requested.
        head: The volume in standard space; None for an image.
    """

    scan: Scan
    prediction: Prediction
    slices: tuple[Scan, ...]
    explanations: tuple[Explanation, ...] = ()
    head: "StandardHead | None" = None

    @property
    def strongest(self) -> int:
        """Index of the slice whose heatmap has the highest peak."""
        peaks = [explanation.peak for explanation in self.explanations]
        return peaks.index(max(peaks))

    @property
    def explanation(self) -> Explanation:
        """The explanation of the image, or of the strongest slice."""
        return self.explanations[self.strongest]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What should be checked: warnings about the scan, its alignment to standard space, and the slices."""
        of_space = self.head.scan.warnings if self.head is not None else ()
        of_slices = [warning for one in self.slices for warning in one.warnings]
        return tuple(dict.fromkeys((*self.scan.warnings, *of_space, *of_slices)))

    def as_dict(self, *, force: bool = False) -> dict[str, Any]:
        """Return the prediction as plain values for JSON, with the slices and the registration of a volume.

        Args:
            force: Return the network's raw outputs for a rejected scan.
        """
        prediction = self.prediction
        values = {"name": self.scan.name, **prediction.as_dict(force=force)}
        if self.head is not None:
            quality = self.head.quality
            values["standard_space"] = {
                "registered": self.head.registered,
                "verdict": quality.verdict,
                "similarity": quality.similarity,
                "overlap": quality.overlap,
                "scales": list(quality.scales),
                "shear": quality.shear,
            }
        if prediction.slice_logits is not None and values["probabilities"] is not None:
            values["slices"] = [
                {"height_mm": height, "probabilities": dict(zip(prediction.classes, row.tolist(), strict=True))}
                for height, row in zip(prediction.heights_mm, prediction.slice_probabilities, strict=True)
            ]
        return values | {"warnings": list(self.warnings)}
