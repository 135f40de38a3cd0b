"""Metrics of a network for everybody and for those of an age, beside what age, sex and site achieve alone.

In the public Alzheimer set the youngest people are all healthy, so a network may read youth and call it health. A
metric means little until it stands beside what age alone achieves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.cohorts.covariates import covariates_of, read_subjects
from core.errors import CohortError
from core.evaluation.bootstrap import draw_people, estimate, weighted_auc
from core.evaluation.metrics import slice_metrics, subject_metrics
from core.evaluation.scored import Scored
from core.evaluation.threshold import impaired_score
from core.results import Confounders, Covariate, Estimate, GroupMetrics, Subgroup

DECADES, DECADE_NAMES = (0, 60, 70, 80, 200), ("under 60", "60 to 69", "70 to 79", "80 and over")
FEWEST = 5  # people of a subgroup whose metrics are given
SHOWN = ("accuracy", "balanced_accuracy", "auc_impaired")
APART = 0.05  # of AUC, between everybody and those of an age, from which the difference is warned of

MUCH, SOME = 0.10, 0.02  # of the variance of a network's score, and of the interval's lower end, that are warned of
NEAR = 0.05  # of AUC: a covariate alone that comes so near to the network is warned of


@dataclass(frozen=True, eq=False)
class SubjectFacts:
    """What is known of people.

    Attributes:
        table: As `core.cohorts.covariates.read_subjects` gives it.
        aged_from: Least age in years of the part in which healthy and impaired are of an age.
        unknown_age: Years that are taken for people without an age; None to leave them out.
    """

    table: pd.DataFrame
    aged_from: float = 60.0
    unknown_age: float | None = None


def known_subjects(path: Path | None, *, aged_from: float, unknown_age: float | None) -> SubjectFacts | None:
    """Read what is known of people, None without a table; errors as of `core.cohorts.covariates.read_subjects`."""
    return None if path is None else SubjectFacts(read_subjects(path), aged_from, unknown_age)


def confounders_of(people: SubjectFacts, paths: Sequence[str], scored: Scored) -> Confounders:
    """Put what is known of people beside a network's metrics.

    Args:
        people: What is known.
        paths: N scans.
        scored: What the network says of them; the task says which classes are the impaired.

    Raises:
        CohortError: People are not known, the task has no positive class, or nobody is in the table.
    """
    if not scored.known:
        raise CohortError("people cannot be told apart here, so confounders cannot be measured.")
    if not scored.task.decides:
        raise CohortError(
            f"{scored.task.title}: confounders are measured for stages of a disease only, or where task.toml names a "
            "positive class."
        )
    facts = covariates_of(people.table, paths, scored.subjects.tolist())
    if "age" in facts and people.unknown_age is not None:
        facts["age"] = facts["age"].fillna(people.unknown_age)
    groups, warnings = [], []
    for title, chosen in _groups(facts, scored, people.aged_from):
        group = _group(title, facts[chosen], scored.where(chosen))
        groups.append(group)
        network_auc = group.by_subject["auc_impaired"].value
        said = confounder_warnings(list(group.covariates), network_auc)
        warnings += said if len(groups) == 1 else [f"Among {title}: {warning}" for warning in said]
    aucs = [group.by_subject["auc_impaired"].value for group in groups]
    if len(groups) == 2 and abs(aucs[0] - aucs[1]) >= APART:
        warnings.append(
            f"Impaired or not, by subject: AUC {aucs[0]:.2f} for {groups[0].group} and {aucs[1]:.2f} for "
            f"{groups[1].group}."
        )
    return Confounders(groups=tuple(groups), subgroups=tuple(_subgroups(facts, scored)), warnings=tuple(warnings))


def covariate(name: str, values: pd.Series, impaired: NDArray[np.bool_], score: NDArray[np.float64]) -> Covariate:
    """Measure one fact about people.

    Args:
        name: "age" is a number; others are categories.
        values: N, a row a person; NaN or "" where unknown.
        impaired: bool, N.
        score: The network's, N: higher for impaired.
    """
    known = values.notna().to_numpy() if name == "age" else (values != "").to_numpy()
    given, truth, answer = values[known], impaired[known], score[known]
    if len(given) == 0:
        nothing = Estimate(float("nan"), float("nan"), float("nan"), "it is known of nobody")
        return Covariate(name, 0, nothing, nothing)
    everybody, draws = np.ones((1, len(given)), np.int64), draw_people(len(given))
    if name == "age":
        risk = given.to_numpy(np.float64)
        explained = [_squared_correlation(risk, answer, weights) for weights in (everybody, draws)]
    else:
        kinds = np.unique(given.to_numpy(str), return_inverse=True)[1]
        risk = (np.bincount(kinds, weights=truth) / np.bincount(kinds))[kinds]
        explained = [_between(kinds, answer, weights) for weights in (everybody, draws)]
    auc = [weighted_auc(truth, risk, weights) for weights in (everybody, draws)]
    fewer = int(min(truth.sum(), (~truth).sum()))
    return Covariate(
        name=name,
        people=len(given),
        auc_alone=estimate(float(auc[0][0]), auc[1], "all are impaired, or none is", people=fewer, fraction=True),
        variance_explained=estimate(float(explained[0][0]), explained[1], "all are alike", people=len(given)),
    )


def confounder_warnings(covariates: list[Covariate], network_auc: float) -> list[str]:
    """Say, a sentence each, which covariates explain much of the network's answer or come near to it by themselves."""
    warnings = []
    for one in covariates:
        if one.variance_explained.low >= SOME and one.variance_explained.value >= MUCH:
            value, low, high = one.variance_explained.value, one.variance_explained.low, one.variance_explained.high
            warnings.append(
                f"{one.name} explains {value * 100:.0f} % of the variance of the network's score (95 % interval "
                f"{low * 100:.0f} to {high * 100:.0f} %)."
            )
        if one.auc_alone.low > 0.5 and one.auc_alone.value >= network_auc - NEAR:
            warnings.append(
                f"{one.name} alone, without any picture, has an AUC of {one.auc_alone.value:.2f}; the network has "
                f"{network_auc:.2f}."
            )
    return warnings


def _groups(facts: pd.DataFrame, scored: Scored, aged_from: float) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return title and scans of everybody, and of those from an age on where both kinds are among them."""
    groups = [("everybody tested", np.ones(len(scored.labels), bool))]
    if "age" in facts:
        old = (facts["age"] >= aged_from).to_numpy()
        if old.any() and len(np.unique(scored.impaired[old])) == 2:
            groups.append((f"people of {aged_from:g} and over", old))
    return groups


def _group(title: str, facts: pd.DataFrame, scored: Scored) -> GroupMetrics:
    labels, logits = scored.by_subject()
    positives = scored.task.positives
    truth, score = np.array(positives)[labels], impaired_score(logits, positives)
    own = facts.reset_index(drop=True).groupby(scored.people).first()
    by_subject = subject_metrics(scored)
    assert by_subject is not None  # noqa: S101 - people are known
    return GroupMetrics(
        group=title,
        people=len(truth),
        by_slice=slice_metrics(scored),
        by_subject=by_subject,
        covariates=tuple(covariate(str(name), own[name], truth, score) for name in own.columns),
    )


def _subgroups(facts: pd.DataFrame, scored: Scored) -> list[Subgroup]:
    """Return the metrics by subject of each sex, site and decade of age with people enough."""
    found = []
    for name in facts.columns:
        kinds = facts[name] if name != "age" else pd.cut(facts[name], DECADES, right=False, labels=DECADE_NAMES)
        kinds = kinds.astype(str).to_numpy(str)
        order = DECADE_NAMES if name == "age" else sorted(set(kinds) - {"", "nan"})
        for kind in order:
            own = scored.where(kinds == kind)
            if len(set(own.subjects)) >= FEWEST:
                metrics = subject_metrics(own)
                assert metrics is not None  # noqa: S101 - people are known
                found.append(Subgroup(fact=str(name), kind=kind, metrics=metrics.some(SHOWN)))
    return found


def _squared_correlation(x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray) -> NDArray[np.float64]:
    """Return r² for each row of weights; NaN where either does not vary."""
    total = weights.sum(axis=1)
    mean_x, mean_y = weights @ x / total, weights @ y / total
    cover = weights @ (x * y) / total - mean_x * mean_y
    spread = (weights @ x**2 / total - mean_x**2) * (weights @ y**2 / total - mean_y**2)
    return np.where(spread > 1e-12, cover**2 / np.where(spread > 1e-12, spread, 1), np.nan)


def _between(kinds: NDArray[np.int64], y: NDArray[np.float64], weights: NDArray) -> NDArray[np.float64]:
    """Return η², the fraction of variance between kinds, for each row of weights; NaN where y does not vary."""
    is_kind = (kinds[:, None] == np.arange(kinds.max() + 1)).astype(np.float64)
    total = weights.sum(axis=1)
    mean = weights @ y / total
    variance = weights @ y**2 / total - mean**2
    count, sums = weights @ is_kind, weights @ (is_kind * y[:, None])
    means = np.where(count > 0, sums / np.maximum(count, 1), 0)
    between = (count * (means - mean[:, None]) ** 2).sum(axis=1) / total
    return np.where(variance > 1e-12, between / np.where(variance > 1e-12, variance, 1), np.nan)
