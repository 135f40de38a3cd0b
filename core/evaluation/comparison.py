"""Is one network better than another, on the same people?

AUC: DeLong, DeLong and Clarke-Pearson, Biometrics 44:837, 1988, by ranks (Sun and Xu, IEEE Signal Processing Letters
21:1389, 2014). Decisions: McNemar, Psychometrika 12:153, 1947, exact; effect size Cohen's g (1988, chapter 5).
Accuracies: the bootstrap over people, both networks on the same resamples.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass
from scipy.stats import binomtest, norm, rankdata

from core.cohorts.names.people import rows_by_path
from core.errors import StageLensError
from core.evaluation.bootstrap import draw_people, estimate, exact_fraction
from core.evaluation.metrics import subject_metrics
from core.evaluation.predictions import Predictions
from core.evaluation.scored import Scored, scored_table
from core.evaluation.threshold import impaired_score
from core.results import STRICT, Estimate, Metrics, Number, write
from core.words import counted

SHOWN = ("accuracy", "balanced_accuracy", "auc")
NONE = Estimate(0.0, 0.0, 0.0)  # difference of a network to itself
LEAST = 5  # people of each kind; with fewer DeLong's test finds differences where there are none

Floats = NDArray[np.float64]


@dataclass(frozen=True, config=STRICT)
class AucComparison:
    """The AUC of two scores of the same people.

    Attributes:
        first: Of the first network.
        second: Of the second.
        difference: First less second, with its 95 % interval.
        z: The difference in standard errors; NaN where it cannot vary, or the test is not possible.
        p: Two-sided, of no difference; NaN likewise.
        impossible: Why there is no test; "" where there is one.
    """

    first: float
    second: float
    difference: Estimate
    z: Number
    p: Number
    impossible: str = ""


@dataclass(frozen=True, config=STRICT)
class Decisions:
    """Who decides rightly where the other does not.

    Attributes:
        only_first: How many only the first network has right.
        only_second: How many only the second has right.
        p: Exact, two-sided, of both being as often right.
        g: Cohen's g: how far the fraction of the better one lies from a half; 0 without disagreement.
    """

    only_first: int
    only_second: int
    p: float
    g: float


@dataclass(frozen=True, config=STRICT)
class Comparison:
    """Two networks on the scans that both were tested on; every difference is first less second.

    Attributes:
        networks: Their names.
        scans: How many scans.
        people: How many people; None where they are not known.
        left_out: Scans that were tested by one of them only.
        accuracy_by_slice: Difference.
        first: Metrics of the first by subject; None where people are not known.
        second: Of the second.
        accuracy_by_subject: Difference; None where people are not known.
        decisions: McNemar's test by subject; None likewise.
        impaired: DeLong's test, impaired or not, by subject; None where classes are no stages, or one kind is missing.
        warnings: What must be said with every number.
    """

    networks: tuple[str, str]
    scans: int
    people: int | None
    left_out: int
    accuracy_by_slice: Estimate
    first: Metrics | None = None
    second: Metrics | None = None
    accuracy_by_subject: Estimate | None = None
    decisions: Decisions | None = None
    impaired: AucComparison | None = None
    warnings: tuple[str, ...] = ()

    @property
    def differences(self) -> dict[str, Estimate]:
        """The differences that have an interval, by title."""
        found = {
            "Accuracy, by slice": self.accuracy_by_slice,
            "Accuracy, by subject": self.accuracy_by_subject,
            "AUC, impaired or not, by subject": self.impaired.difference if self.impaired else None,
        }
        return {title: one for title, one in found.items() if one is not None and np.isfinite(one.low)}

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values: dict[str, Any] = write(self)
        return values


def compare(first: Predictions, second: Predictions) -> Comparison:
    """Compare what two networks said of the scans that both were tested on.

    Scans are paired by their paths; where the two have none in common, as after a folder was moved, by how these end.
    People are whom the first names, or the second where the first does not know them.

    Raises:
        StageLensError: They answer different questions, were tested on no scan in common, or do not agree on the class
            of a scan or on which scans are of one person.
    """
    recipes = [first.recipe, second.recipe]
    if recipes[0].task != recipes[1].task or recipes[0].classes != recipes[1].classes:
        raise StageLensError(f"{recipes[0].name} and {recipes[1].name} answer different questions.")
    tables = [first.asked, second.asked]
    rows, notes = _paired(*(table["path"].tolist() for table in tables))
    if not len(rows):
        raise StageLensError("the two were tested on no scan in common.")
    one, other = (
        scored_table(table.iloc[own], recipe) for table, own, recipe in zip(tables, rows.T, recipes, strict=True)
    )
    otherwise = int((one.labels != other.labels).sum())
    if otherwise:
        raise StageLensError(
            f"{second.name} has another class than {first.name} for {otherwise} of {counted(len(rows), 'scan')}; "
            "compare networks that were tested on the same split table."
        )
    if one.known and other.known and _grouped_otherwise(one.people, other.people):
        raise StageLensError(
            f"{first.name} and {second.name} do not agree on which scans are of one person; compare networks whose "
            "split tables group the scans alike."
        )
    whose = one if one.known or not other.known else other
    one, other = (replace(scored, subjects=whose.subjects) for scored in (one, other))
    right, other_right = (scored.logits.argmax(axis=1) == one.labels for scored in (one, other))
    found = Comparison(
        networks=(first.name, second.name),
        scans=len(rows),
        people=len(set(one.subjects)) if one.known else None,
        left_out=sum(map(len, tables)) - 2 * len(rows),
        accuracy_by_slice=NONE if _are_one(one, other) else accuracy_difference(right, other_right, one.people),
        warnings=tuple(dict.fromkeys([*first.warnings, *second.warnings, *notes])),
    )
    return _compared_by_subject(found, one, other) if one.known else found


def _paired(first: list[str], second: list[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Return the rows of the same scans in two lists of paths, pairs × 2, and what must be said of the pairing."""
    row_of = {path: row for row, path in enumerate(second)}
    pairs, notes = [(row, row_of[path]) for row, path in enumerate(first) if path in row_of], []
    if not pairs:
        there, back = rows_by_path(second, first), rows_by_path(first, second)
        pairs = [(row, match) for row, match in enumerate(there) if match is not None and back[match] == row]
        notes = ["No path is the same for both: scans are paired by how their paths end, with folder and name."]
    return np.array(pairs, np.int64).reshape(-1, 2), notes


def _grouped_otherwise(people: NDArray[np.int64], others: NDArray[np.int64]) -> bool:
    """Tell whether two lists of numbers of people put N scans together in different ways."""
    pairs = len(np.unique(np.stack([people, others]), axis=1).T)
    return not pairs == len(np.unique(people)) == len(np.unique(others))


def _compared_by_subject(found: Comparison, one: Scored, other: Scored) -> Comparison:
    truth, logits = one.by_subject()
    other_logits = other.by_subject()[1]
    right, other_right = (values.argmax(axis=1) == truth for values in (logits, other_logits))
    first, second = (metrics.some(SHOWN) for metrics in map(subject_metrics, (one, other)) if metrics is not None)
    impaired = None
    positives = one.task.positives
    positive = np.array(positives)[truth]
    if one.task.decides and 0 < positive.sum() < len(truth):
        impaired = compare_auc(positive, impaired_score(logits, positives), impaired_score(other_logits, positives))
    return replace(
        found,
        first=first,
        second=second,
        accuracy_by_subject=NONE
        if _are_one(one, other)
        else accuracy_difference(right, other_right, np.arange(len(truth))),
        decisions=compare_decisions(right, other_right),
        impaired=impaired,
    )


def _are_one(one: Scored, other: Scored) -> bool:
    """Tell whether two networks say the very same of every scan, as a run does compared with itself."""
    return np.array_equal(one.logits, other.logits)


def compare_auc(positive: NDArray[np.bool_], first: Floats, second: Floats) -> AucComparison:
    """Compare two scores of the same people by DeLong's test.

    Args:
        positive: bool, N.
        first: N scores of the first network; higher for positives.
        second: N of the second.

    Raises:
        ValueError: Positives or negatives are missing.
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        raise ValueError("the AUC needs positives and negatives.")
    over, under = zip(*(_placements(positive, scores) for scores in (first, second)), strict=True)
    first_auc, second_auc = (float(values.mean()) for values in over)
    apart = first_auc - second_auc
    if min(n_positive, n_negative) < LEAST:
        why = f"it needs {LEAST} people of each kind; there are {n_positive} and {n_negative}"
        nan = float("nan")
        return AucComparison(first_auc, second_auc, Estimate(apart, nan, nan, why), z=nan, p=nan, impossible=why)
    covariance = _covariance(np.stack(over)) / n_positive + _covariance(np.stack(under)) / n_negative
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    error = float(np.sqrt(max(variance, 0.0)))
    z = apart / error if error > 1e-12 else float("nan")
    reach = float(norm.ppf(0.975)) * error
    interval = Estimate(apart, apart - reach, apart + reach)
    return AucComparison(first=first_auc, second=second_auc, difference=interval, z=z, p=float(2 * norm.sf(abs(z))))


def compare_decisions(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> Decisions:
    """Compare who of the same N is decided rightly, by McNemar's exact test."""
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    apart = only_first + only_second
    if not apart:
        return Decisions(0, 0, 1.0, 0.0)
    p = float(binomtest(only_first, apart, 0.5).pvalue)
    return Decisions(only_first, only_second, p, max(only_first, only_second) / apart - 0.5)


def accuracy_difference(
    first_right: NDArray[np.bool_], second_right: NDArray[np.bool_], people: NDArray[np.int64]
) -> Estimate:
    """Return the difference of two accuracies over the same N scans, with its interval over people.

    Where all people are alike, it reaches as far as the fraction of people who may be otherwise.
    """
    counts = np.bincount(people)
    gained = np.bincount(people, weights=first_right.astype(float) - second_right.astype(float))
    if np.ptp(gained / counts) < 1e-12:  # everybody is alike here, which does not mean that everybody is
        value = float(gained[0] / counts[0])
        reach = (1 + abs(value)) * exact_fraction(np.zeros(len(counts), bool)).high
        return Estimate(value, max(-1.0, value - reach), min(1.0, value + reach))
    draws = draw_people(len(counts))
    return estimate(float(gained.sum() / counts.sum()), (draws @ gained) / (draws @ counts), people=len(counts))


def _placements(positive: NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """Return for each positive the fraction of negatives below it, and for each negative that of positives above it."""
    ranks = rankdata(scores)
    over = (ranks[positive] - rankdata(scores[positive])) / (~positive).sum()
    under = 1 - (ranks[~positive] - rankdata(scores[~positive])) / positive.sum()
    return over, under


def _covariance(values: Floats) -> Floats:
    return np.cov(values) if values.shape[1] > 1 else np.zeros((2, 2))
