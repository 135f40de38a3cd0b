"""What is measured, as types: every number with its interval, until somebody prints it.

They hold what was computed elsewhere and compute nothing. Each reads and writes JSON: NaN, an undefined number,
is null there. `read` rejects what does not fit.
"""

from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BeforeValidator, ConfigDict, PlainSerializer, TypeAdapter
from pydantic.dataclasses import dataclass

from core.plain import number_or_none

LEVEL = 0.95  # of every interval
ROUGH = 20  # with fewer people than this all intervals are rough

Number = Annotated[
    float,
    BeforeValidator(lambda value: float("nan") if value is None else value),
    PlainSerializer(number_or_none),
]
Unit = Literal["slice", "subject"]
T = TypeVar("T")
STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class Estimate:
    """A value with its 95 % interval.

    Attributes:
        value: The value; NaN where it is undefined.
        low: Lower end of the interval; NaN likewise, and where none can be made.
        high: Upper end.
        reason: Why it, or its interval, is undefined, or "".
    """

    value: Number
    low: Number
    high: Number
    reason: str = ""

    @property
    def defined(self) -> bool:
        """Whether there is a value."""
        return bool(np.isfinite(self.value))

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))


@dataclass(frozen=True, config=STRICT)
class Metrics:
    """The metrics of one way of counting.

    Attributes:
        unit: What is counted.
        n: How many of them.
        people: How many people stand behind them.
        estimates: accuracy, balanced_accuracy, precision, f1, specificity, auc (all means over classes, one against the
            rest), brier and log_loss (natural logarithm); of ordered classes also kappa (quadratic weights),
            stage_error (mean absolute, in stages) and auc_impaired (any class but the first against it, or
            the task's positive ones against the others), which a task with a positive class has too.
        by_class: precision, recall, f1, specificity and auc of each class against the rest.
        confusion: Counts, classes × classes, rows are the truth.
        classes: Names of rows and columns.
        notes: What limits the metrics.
        method: How the intervals were made.
    """

    unit: Unit
    n: int
    people: int
    estimates: dict[str, Estimate]
    by_class: dict[str, dict[str, Estimate]]
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    method: str = ""

    def __getitem__(self, name: str) -> Estimate:
        """Return a metric by its name; undefined where it was not measured."""
        nan = float("nan")
        return self.estimates.get(name, Estimate(nan, nan, nan, "it was not measured"))

    def some(self, names: tuple[str, ...]) -> "Metrics":
        """Return these metrics only, without classes and confusion matrix."""
        chosen = {name: self.estimates[name] for name in names if name in self.estimates}
        return Metrics(
            unit=self.unit,
            n=self.n,
            people=self.people,
            estimates=chosen,
            by_class={},
            confusion=(),
            classes=self.classes,
            notes=self.notes,
            method=self.method,
        )


@dataclass(frozen=True, config=STRICT)
class SplitSummary:
    """What is said of a split.

    Attributes:
        by: How it was made.
        seed: Of its randomness.
        hash: SHA-256 of who is in which part.
        images: Scans of each part.
        people: People of each part; None where they are not known.
        subject_overlap: How many people are in several parts, in a sentence; None without any.
        missing: Which classes are missing from which parts, a sentence each.
    """

    by: str
    seed: int
    hash: str
    images: dict[str, int]
    people: dict[str, int] | None = None
    subject_overlap: str | None = None
    missing: tuple[str, ...] = ()

    @property
    def unseen_people(self) -> bool:
        """Whether nobody is in two parts, so that people of the test part were not trained on."""
        return self.people is not None and self.subject_overlap is None


@dataclass(frozen=True, config=STRICT)
class Bin:
    """Answers of about the same probability.

    Attributes:
        low: Least probability; the bin ends where the next begins.
        confidence: Their mean probability.
        accuracy: Fraction of them that is right.
        n: How many.
    """

    low: float
    confidence: float
    accuracy: Estimate
    n: int


@dataclass(frozen=True, config=STRICT)
class Scaled:
    """How well calibrated probabilities are after one way of scaling.

    Attributes:
        error: Expected calibration error.
        log_loss: Mean, natural logarithm.
        reliability: Bins of the reliability diagram that are not empty.
        temperatures: Of each fold, where the scaling is one.
    """

    error: Estimate
    log_loss: float
    reliability: tuple[Bin, ...] = ()
    temperatures: tuple[float, ...] = ()


@dataclass(frozen=True, config=STRICT)
class UnitCalibration:
    """Calibration of slices, or of subjects, fitted on validation people and measured on test people.

    Attributes:
        fitted_on_people: How many.
        measured_on_people: How many.
        scalings: `as_is`, `temperature` and `vector`.
    """

    fitted_on_people: int
    measured_on_people: int
    scalings: dict[str, Scaled]


@dataclass(frozen=True, config=STRICT)
class FoldCalibration:
    """Calibration of every fold, by slice and by subject."""

    by_slice: UnitCalibration
    by_subject: UnitCalibration


@dataclass(frozen=True, config=STRICT)
class PredictionSets:
    """How prediction sets fare on people never seen.

    Attributes:
        nominal: The coverage they were made for.
        coverage: Fraction of people whose class is in their set.
        by_class: Coverage of each class's people; NaN without any.
        size: Mean number of classes in a set.
        single: Fraction of sets of one class.
        calibrated_alone: Classes with a bound of their own in every fold.
    """

    nominal: float
    coverage: Estimate
    by_class: dict[str, Number]
    size: float
    single: float
    calibrated_alone: tuple[str, ...] = ()


@dataclass(frozen=True, config=STRICT)
class Covariate:
    """One fact about people.

    Attributes:
        name: "age", "sex" or "site".
        people: Of how many people it is known; the others are left out.
        auc_alone: AUC, impaired or not, of the covariate by itself: age as it is, a category by the fraction of
            impaired among these same people who have it, which flatters categories of few people.
        variance_explained: Fraction of the variance of the network's score that it explains: r² of age, η² of a
            category.
    """

    name: str
    people: int
    auc_alone: Estimate
    variance_explained: Estimate


@dataclass(frozen=True, config=STRICT)
class GroupMetrics:
    """The metrics of a group of people beside what facts about them achieve alone.

    Attributes:
        group: Its title.
        people: How many.
        by_slice: Every slice counted.
        by_subject: Every person counted once.
        covariates: What is known of them.
    """

    group: str
    people: int
    by_slice: Metrics
    by_subject: Metrics
    covariates: tuple[Covariate, ...]


@dataclass(frozen=True, config=STRICT)
class Subgroup:
    """Metrics by subject of the people of one sex, site or decade of age.

    Attributes:
        fact: What they have in common: "age", "sex" or "site".
        kind: Such as "70 to 79".
        metrics: Some of them.
    """

    fact: str
    kind: str
    metrics: Metrics


@dataclass(frozen=True, config=STRICT)
class Confounders:
    """What is known of people, beside a network's metrics.

    Attributes:
        groups: Everybody, and those from an age on.
        subgroups: Each sex, site and decade of age with people enough.
        warnings: What these explain of the network's score.
    """

    groups: tuple[GroupMetrics, ...]
    subgroups: tuple[Subgroup, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, config=STRICT)
class YesOrNo:
    """Metrics of a binary decision.

    Attributes:
        accuracy: Fraction of people decided rightly.
        balanced_accuracy: Mean of sensitivity and specificity.
        sensitivity: Fraction of the impaired found; NaN without any.
        specificity: Fraction of the others left alone; NaN without any.
        auc: AUC; NaN if only one kind is there.
        people: How many people.
    """

    accuracy: float
    balanced_accuracy: float
    sensitivity: Number
    specificity: Number
    auc: Number
    people: int


@dataclass(frozen=True, config=STRICT)
class RepeatMetrics:
    """The metrics of one repeat: whoever is tested is so once, by a network that never saw them.

    Attributes:
        repeat: Its number.
        by_slice: Every slice counted.
        by_subject: Every person counted once; None where people are not known.
        untested: How many people, or slices where people are not known, are in folds that are not finished.
    """

    repeat: int
    by_slice: Metrics
    by_subject: Metrics | None
    untested: int = 0


@dataclass(frozen=True, config=STRICT)
class Spread:
    """Mean and standard deviation of a metric over folds; `sd` is None for one fold."""

    mean: float
    sd: float | None


@dataclass(frozen=True, config=STRICT)
class Impaired:
    """Impaired or not, each person decided at the threshold that was best for the validation people of their fold."""

    decided: YesOrNo
    thresholds: tuple[float, ...]


@dataclass(frozen=True, config=STRICT)
class FoldsSummary:
    """What a cross-validation has found so far.

    Attributes:
        recipe: Its name.
        finished: Names of the folds that are finished.
        wanted: Of all.
        repeats: Of those with a finished fold.
        per_fold: Of the headline metrics, by subject where people are known.
        impaired: One a repeat, where classes are stages or one is the positive one.
    """

    recipe: str
    finished: tuple[str, ...]
    wanted: tuple[str, ...]
    repeats: tuple[RepeatMetrics, ...]
    per_fold: dict[str, Spread]
    impaired: tuple[Impaired, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values: dict[str, Any] = write(self)
        return values


@dataclass(frozen=True, config=STRICT)
class SchemeAccuracy:
    """What a recipe reaches where scans are split in one way.

    Attributes:
        name: Of the way.
        title: The same in words.
        by: "slice" or "subject".
        permuted_labels: Whether the people's classes were shuffled among them, a control.
        accuracy: Over slices, its interval over people.
    """

    name: str
    title: str
    by: Unit
    permuted_labels: bool
    accuracy: Estimate


@dataclass(frozen=True, config=STRICT)
class Leakage:
    """What a recipe reaches in each way of splitting.

    Attributes:
        recipe: Its title.
        slices: How many scans.
        people: How many people.
        largest_class: The most frequent class.
        always_largest: Accuracy of always answering it.
        schemes: The ways.
    """

    recipe: str
    slices: int
    people: int
    largest_class: str
    always_largest: float
    schemes: tuple[SchemeAccuracy, ...]

    def accuracy(self, name: str) -> Estimate:
        """Return what is reached in the way of a name."""
        return next(scheme.accuracy for scheme in self.schemes if scheme.name == name)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values: dict[str, Any] = write(self)
        return values


def write(value: Any) -> Any:
    """Return a result as plain values for JSON."""
    return TypeAdapter(type(value)).dump_python(value, mode="json")


def read(kind: type[T], values: Any) -> T:
    """Return the result that plain values of JSON describe.

    Raises:
        pydantic.ValidationError: They do not fit.
    """
    return TypeAdapter(kind).validate_python(values)
