"""What a network said of people it is tested on, measured: metrics, calibration, confounders, parts and heights."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from pydantic.dataclasses import dataclass

from core.evaluation.confounders import SubjectFacts, confounders_of
from core.evaluation.fold_calibration import calibration_of, sets_of
from core.evaluation.metrics import metrics_of
from core.evaluation.predictions import Predictions, predictions_of_bundle
from core.evaluation.scored import scored_table
from core.evaluation.subgroups import BandMetrics, PartMetrics, by_height, by_part, overfitting
from core.networks.bundle import Bundle
from core.results import STRICT, Confounders, Estimate, FoldCalibration, Metrics, PredictionSets, SplitSummary, write


@dataclass(frozen=True, config=STRICT)
class Standing:
    """The AUC, impaired or not, by subject, of a network or of a covariate alone, on a group of people.

    Attributes:
        group: Of people.
        what: The network, or the covariate.
        people: How many.
        auc: With its interval.
    """

    group: str
    what: str
    people: int
    auc: Estimate


@dataclass(frozen=True, config=STRICT)
class Beside:
    """Another network on the same people."""

    model: str
    confounders: Confounders


@dataclass(frozen=True, config=STRICT)
class Evaluation:
    """Everything that is measured of a network on one part.

    Attributes:
        model: Its name.
        part: The part that is measured.
        split: Who is in which part; None where that is not known.
        by_slice: Every slice counted.
        by_subject: Every person counted once; None where people are not known.
        by_part: Of each part there are predictions of.
        by_height: Of slices from the lowest to the highest quarter; none where heights are not known.
        calibration: None without validation people, where people are in several parts, or of people the network may
            have been trained on.
        prediction_sets: None likewise.
        confounders: None where nothing is known of the people.
        beside: Other networks on the same people.
        warnings: What must be said with every number.
    """

    model: str
    part: str
    split: SplitSummary | None
    by_slice: Metrics
    by_subject: Metrics | None
    by_part: tuple[PartMetrics, ...] = ()
    by_height: tuple[BandMetrics, ...] = ()
    calibration: FoldCalibration | None = None
    prediction_sets: PredictionSets | None = None
    confounders: Confounders | None = None
    beside: tuple[Beside, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def by_unit(self) -> dict[str, Metrics]:
        """The metrics there are, by what is counted; by subject first."""
        found = {"by subject": self.by_subject, "by slice": self.by_slice}
        return {name: metrics for name, metrics in found.items() if metrics is not None}

    def standing(self) -> list[Standing]:
        """Put the AUC, impaired or not, by subject, beside those of other networks and of age, sex and site alone."""
        if self.confounders is None:
            return []
        rows = []
        for one in (Beside(self.model, self.confounders), *self.beside):
            for group in one.confounders.groups:
                rows.append(Standing(group.group, one.model, group.people, group.by_subject["auc_impaired"]))
                rows += [
                    Standing(
                        group.group, f"{fact.name} alone, on the people of {one.model}", fact.people, fact.auc_alone
                    )
                    for fact in group.covariates
                    if fact.auc_alone.defined
                ]
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values: dict[str, Any] = write(self)
        return values


def evaluate(
    predictions: Predictions,
    people: SubjectFacts | None = None,
    *,
    coverage: float = 0.9,
    beside: Sequence[Predictions] = (),
) -> Evaluation:
    """Measure what a network said.

    Args:
        predictions: What it said.
        people: What is known of the people; None for nothing.
        coverage: Nominal, of the prediction sets.
        beside: Other networks, whose metrics for everybody and for those of an age stand beside this one's; they need
            `people`.

    Raises:
        StageLensError: As raised by `core.evaluation.confounders.confounders_of`.
    """
    recipe = predictions.recipe
    by_slice, by_subject = metrics_of(scored_table(predictions.asked, recipe))
    parts = by_part(predictions)
    confounders = None if people is None else _confounders(predictions, people)
    unseen = predictions.own_split and predictions.part == "test"
    others = () if people is None else tuple(Beside(one.name, _confounders(one, people)) for one in beside)
    return Evaluation(
        model=predictions.name,
        part=predictions.part,
        split=predictions.split,
        by_slice=by_slice,
        by_subject=by_subject,
        by_part=tuple(parts),
        by_height=tuple(by_height(predictions)),
        calibration=calibration_of(predictions.folds, recipe) if unseen else None,
        prediction_sets=sets_of(predictions.folds, recipe, coverage=coverage) if unseen else None,
        confounders=confounders,
        beside=others,
        warnings=(
            *predictions.warnings,
            *overfitting(parts),
            *(confounders.warnings if confounders else ()),
            *(f"{one.name}: {warning}" for one in beside for warning in one.warnings),
        ),
    )


def evaluate_bundle(
    bundle: Bundle, split: pd.DataFrame, *, part: str = "test", people: SubjectFacts | None = None
) -> Evaluation:
    """Evaluate a bundle on one part of a split.

    Arguments are as for `core.evaluation.predictions.predictions_of_bundle`, errors as for `evaluate`. The warnings say
    so where the bundle may have been trained on these people.
    """
    return evaluate(predictions_of_bundle(bundle, split, part=part), people)


def _confounders(predictions: Predictions, people: SubjectFacts) -> Confounders:
    rows = predictions.asked
    return confounders_of(people, rows["path"].tolist(), scored_table(rows, predictions.recipe))
