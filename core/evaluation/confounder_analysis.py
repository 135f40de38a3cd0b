"""Figures of a network for everybody and for those of an age, beside what age, sex and site achieve alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.cohorts.covariates import covariates_of, read_subjects
from core.cohorts.tasks import Task
from core.errors import CohortError
from core.evaluation.confounders import confounder_warnings, covariate
from core.evaluation.metrics import slice_metrics, subject_level, subject_metrics, subject_numbers
from core.evaluation.threshold import impaired_score

DECADES, DECADE_NAMES = (0, 60, 70, 80, 200), ("under 60", "60 to 69", "70 to 79", "80 and over")
FEWEST = 5  # people of a subgroup whose figures are given
SHOWN = ("accuracy", "balanced_accuracy", "auc_impaired")
APART = 0.05  # of area, between everybody and those of an age, from which the difference is warned of


@dataclass(frozen=True, eq=False)
class Subjects:
    """What is known of people.

    Attributes:
        table: As `core.cohorts.covariates.read_subjects` gives it.
        aged_from: Least age in years of the part in which healthy and impaired are of an age.
        unknown_age: Years that are taken for people without an age; None to leave them out.
    """

    table: pd.DataFrame
    aged_from: float = 60.0
    unknown_age: float | None = None


def known_subjects(path: Path | None, *, aged_from: float, unknown_age: float | None) -> Subjects | None:
    """Read what is known of people, None without a table; errors as of `core.cohorts.covariates.read_subjects`."""
    return None if path is None else Subjects(read_subjects(path), aged_from, unknown_age)


def metrics_by_unit(
    labels: NDArray[np.int64], logits: NDArray[np.floating], subjects: NDArray[np.str_], task: Task
) -> dict[str, Any]:
    """Return `by_slice` and `by_subject` (null where people are not known) as plain values."""
    by_slice, by_subject = (
        count(labels, logits, subjects, task.classes, ordered=task.ordered)
        for count in (slice_metrics, subject_metrics)
    )
    assert by_slice is not None  # noqa: S101 - only people can be unknown
    return {"by_slice": by_slice.as_dict(), "by_subject": by_subject.as_dict() if by_subject is not None else None}


def confounder_analysis(
    people: Subjects,
    paths: Sequence[str],
    labels: NDArray[np.int64],
    logits: NDArray[np.floating],
    subjects: NDArray[np.str_],
    task: Task,
) -> dict[str, Any]:
    """Hold what is known of the people against a network's answers.

    Args:
        people: What is known.
        paths: N scans.
        labels: Their places in the task's classes.
        logits: N × classes.
        subjects: N names of people, all known.
        task: What is asked; its first class is the healthy one.

    Returns:
        Plain values: `groups`, everybody and those of `aged_from` and over, each with its figures and covariates;
        `subgroups`, the figures by person of each sex, site and decade of age; and `warnings`.

    Raises:
        CohortError: People are not known, the task has no healthy class, or nobody is in the table.
    """
    if (subjects == "").any():
        raise CohortError("people cannot be told apart here, so nothing known of them can be held against the figures.")
    if not task.ordered:
        raise CohortError(f"{task.title}: confounders are measured for stages of a disease only.")
    facts = covariates_of(people.table, paths, subjects.tolist())
    if "age" in facts and people.unknown_age is not None:
        facts["age"] = facts["age"].fillna(people.unknown_age)
    groups = [_group("everybody", np.ones(len(labels), bool), facts, labels, logits, subjects, task)]
    warnings = groups[0].pop("failed_checks")
    if "age" in facts:
        old = (facts["age"] >= people.aged_from).to_numpy()
        title = f"people of {people.aged_from:g} and over"
        if old.any() and len(set((labels[old] > 0).tolist())) == 2:
            groups.append(_group(title, old, facts, labels, logits, subjects, task))
            warnings += [f"Among {title}: {warning}" for warning in groups[1].pop("failed_checks")]
            everybody, aged = (group["by_subject"]["auc_impaired"] for group in groups)
            if abs(everybody - aged) >= APART:
                warnings.append(
                    f"Impaired or not, by person: area {everybody:.2f} for everybody and {aged:.2f} for {title}."
                )
    return {"groups": groups, "subgroups": _subgroups(facts, labels, logits, subjects, task), "warnings": warnings}


def standing(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Put the area for impaired or not, by person, of a network beside those of others and of age, sex and site alone.

    Args:
        values: As `core.evaluation.evaluation.evaluate` gives them, with confounders.

    Returns:
        A row for each group of people and each network or covariate: `group`, `what`, `people`, `auc`, `interval`.
    """
    rows = []
    for name, against in [(values["model"], values["confounders"]), *((one["model"], one) for one in values["beside"])]:
        for group in against["groups"]:
            metrics = group["by_subject"]
            found = [(name, group["people"], metrics["auc_impaired"], metrics["intervals"]["auc_impaired"])]
            found += [
                (f"{one['name']} alone, on the people of {name}", one["people"], one["auc_alone"]["value"],
                 one["auc_alone"]["interval"])
                for one in group["covariates"] if one["auc_alone"]["value"] is not None
            ]  # fmt: skip
            rows += [dict(zip(("group", "what", "people", "auc", "interval"), (group["group"], *one), strict=True))
                     for one in found]  # fmt: skip
    return rows


def _subgroups(
    facts: pd.DataFrame,
    labels: NDArray[np.int64],
    logits: NDArray[np.floating],
    subjects: NDArray[np.str_],
    task: Task,
) -> list[dict[str, Any]]:
    """Return the figures by person of each sex, site and decade of age with people enough."""
    found = []
    for name in facts.columns:
        kinds = facts[name] if name != "age" else pd.cut(facts[name], DECADES, right=False, labels=DECADE_NAMES)
        kinds = kinds.astype(str).to_numpy(str)
        order = DECADE_NAMES if name == "age" else sorted(set(kinds) - {"", "nan"})
        for kind in order:
            own = kinds == kind
            if len(set(subjects[own])) < FEWEST:
                continue
            metrics = subject_metrics(labels[own], logits[own], subjects[own], task.classes, ordered=task.ordered)
            assert metrics is not None  # noqa: S101 - people are known
            plain = metrics.as_dict()
            found.append({"fact": str(name), "kind": kind, "people": plain["people"],
                          **{key: plain[key] for key in SHOWN},
                          "intervals": {key: plain["intervals"][key] for key in SHOWN}})  # fmt: skip
    return found


def _group(
    title: str,
    chosen: NDArray[np.bool_],
    facts: pd.DataFrame,
    labels: NDArray[np.int64],
    logits: NDArray[np.floating],
    subjects: NDArray[np.str_],
    task: Task,
) -> dict[str, Any]:
    numbers = subject_numbers(subjects[chosen])
    truth, means = subject_level(labels[chosen], logits[chosen], numbers)
    own = facts[chosen].reset_index(drop=True).groupby(numbers).first()
    metrics = metrics_by_unit(labels[chosen], logits[chosen], subjects[chosen], task)
    found = [covariate(str(name), own[name], truth > 0, impaired_score(means)) for name in own.columns]
    failed_checks = confounder_warnings(found, metrics["by_subject"]["auc_impaired"] or float("nan"))
    return {"group": title, "people": len(truth), **metrics, "covariates": [one.as_dict() for one in found],
            "failed_checks": failed_checks}  # fmt: skip
