"""Metrics of an evaluation as text that a person reads on a shell."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from core.networks.card import UNLEARNED, CalibrationRecord, Card, OodRecord
from core.reporting.text.numbers import interval_line, number, percent, with_interval
from core.results import (
    Confounders,
    Estimate,
    FoldCalibration,
    FoldsSummary,
    Leakage,
    Metrics,
    PredictionSets,
    RepeatMetrics,
    SplitSummary,
    UnitCalibration,
)
from core.words import counted, people

if TYPE_CHECKING:
    from core.evaluation.comparison import Comparison
    from core.evaluation.evaluation import Evaluation, Standing

HEADLINE = ("accuracy", "balanced_accuracy", "auc")
SCALINGS = {"as_is": "uncalibrated", "temperature": "temperature", "vector": "vector scaling"}


class Measured(Protocol):
    """A card, an evaluation, or a repeat of a cross-validation."""

    @property
    def by_slice(self) -> Metrics:
        """Every slice counted."""
        ...

    @property
    def by_subject(self) -> Metrics | None:
        """Every person counted once."""
        ...


def metrics_text(measured: Measured) -> str:
    """Say the headline metrics, by subject and by slice."""
    lines = [] if measured.by_subject is not None else ["counted by subject: people are not known"]
    for metrics in (measured.by_subject, measured.by_slice):
        if metrics is not None:
            slices = f"{counted(metrics.n, 'slice')} of " if metrics.unit == "slice" else ""
            whose = people(metrics.people) if measured.by_subject is not None else "unknown people"
            lines.append(f"counted by {metrics.unit}: {slices}{whose}")
            lines += [f"  {name.replace('_', ' '):<18} {interval_line(metrics[name])}" for name in HEADLINE]
            lines += [f"  {note}" for note in metrics.notes]
    return "\n".join(lines)


def confounder_text(found: Confounders) -> str:
    """Say what people's age, sex and site achieve beside the network, for everybody and for those of an age, and how
    often it is right for people of each sex, site and decade of age.
    """
    lines = []
    for group in found.groups:
        lines.append(f"{group.group}: {people(group.people)}")
        lines.append(_row("accuracy, by subject", group.by_subject["accuracy"]))
        lines.append(_row("AUC, impaired or not, by subject", group.by_subject["auc_impaired"]))
        for one in group.covariates:
            if not one.auc_alone.defined:
                lines.append(f"  {one.name}: {one.auc_alone.reason}")
                continue
            lines.append(_row(f"AUC of {one.name} alone ({people(one.people)})", one.auc_alone))
            if one.variance_explained.defined:
                lines.append(_row("  explains of the score’s variance", one.variance_explained))
    for group_of in found.subgroups:
        said = f"accuracy by subject, {group_of.fact} {group_of.kind} ({people(group_of.metrics.people)})"
        lines.append(f"{said:<50}{interval_line(group_of.metrics['accuracy'])}")
    return "\n".join(lines)


def _row(title: str, estimate: Estimate) -> str:
    return f"  {title:<42}{interval_line(estimate)}"


def calibration_text(found: FoldCalibration) -> str:
    """Say how far probabilities can be taken at their word, before and after a scaling."""
    return "\n".join([*_unit_text("slice", found.by_slice), *_unit_text("subject", found.by_subject)])


def _unit_text(unit: str, found: UnitCalibration) -> list[str]:
    lines = [
        f"calibration by {unit}: fitted on {_people_of(found.fitted_on_people, 'validation')}, measured on "
        f"{_people_of(found.measured_on_people, 'test')}"
    ]
    for name, title in SCALINGS.items():
        scaled = found.scalings[name]
        temperatures = ", ".join(f"{value:.2f}" for value in scaled.temperatures)
        lines.append(
            f"  {title:<22}calibration error {interval_line(scaled.error)}, log loss {scaled.log_loss:.3f}"
            + (f", temperature {temperatures}" if temperatures else "")
        )
    return lines


def sets_text(found: PredictionSets) -> str:
    """Say what prediction sets come to."""
    by_class = ", ".join(f"{name} {value:.2f}" for name, value in found.by_class.items() if value == value)
    alone = ", ".join(found.calibrated_alone) or "none"
    return (
        f"prediction sets by subject: they contain the true class for {percent(found.coverage)}; nominal coverage "
        f"{100 * found.nominal:.0f} %\n"
        f"  {found.size:.2f} classes a set, one class in {100 * found.single:.0f} %\n"
        f"  by class: {by_class}; calibrated by themselves: {alone}"
    )


def uncertainty_text(card: Card) -> str:
    """Say how far a bundle's answers are to be believed: its calibration, its sets, and what it rejects."""
    found = [] if card.calibration is None else [calibration_record_text(card.calibration)]
    return "\n".join([*found, *([] if card.ood is None else [ood_record_text(card.ood, card.split)])])


def calibration_record_text(found: CalibrationRecord) -> str:
    """Say how a bundle is calibrated, and what that came to."""
    lines = [
        f"fitted on {counted(found.fitted_on.scans, 'scan')} of {_people_of(found.fitted_on.people, 'validation')}:"
    ]
    for unit in ("scan", "subject"):
        scaling = found.of_unit(unit)
        if scaling is not None:
            learned = (
                "" if scaling.temperature != UNLEARNED else "  (not learned: these people do not say which is best)"
            )
            lines.append(f"  temperature of a {unit:<14}{scaling.temperature:.2f}{learned}")
    measured = found.measured
    if measured is None:
        return "\n".join(lines)
    lines.append("measured on test people:")
    for unit, errors in measured.errors.items():
        before, after = errors["as_is"].error, errors["temperature"].error
        lines.append(
            f"  calibration error {unit.replace('_', ' '):<12}{before.value:.3f} uncalibrated, {after.value:.3f} "
            f"with the temperature {interval_line(after).partition('  ')[2]}"
        )
    sets = [("by slice", measured.sets_by_slice.coverage, measured.sets_by_slice.size)]
    if measured.sets_by_subject is not None:
        sets.append(("by subject", measured.sets_by_subject.coverage, measured.sets_by_subject.size))
    for unit, coverage, size in sets:
        lines.append(
            f"  true class in the set, {unit:<12}{percent(coverage)}; nominal {100 * found.coverage:.0f} %, "
            f"{size:.1f} classes a set"
        )
    return "\n".join(lines)


def ood_record_text(found: OodRecord, split: SplitSummary) -> str:
    """Say what a bundle rejects: of scans it should accept, and of images it should not."""
    unseen = found.unseen
    whose = scans_of(unseen.part, split)
    lines = [f"rejected as out of distribution: {percent(unseen.rejected)} of {unseen.scans:,} {whose}"]
    lines += [f"  {kind:<24}{100 * one.rejected:.0f} % of {one.n}" for kind, one in (found.kinds or {}).items()]
    return "\n".join(lines)


def scans_of(part: str, split: SplitSummary) -> str:
    """Say whose the scans of a part are: of people the network was not trained on, where that is known."""
    return "scans of people not trained on" if split.unseen_people else f"scans of the {part} part"


def subgroup_text(evaluation: "Evaluation") -> str:
    """Say the accuracy of each part, by slice and by subject, and of slices from the lowest to the highest quarter."""
    lines = []
    for one in evaluation.by_part:
        for metrics in (one.by_slice, one.by_subject):
            if metrics is not None:
                said = f"accuracy on the {one.part} part, by {metrics.unit}"
                lines.append(f"{said:<42}{interval_line(metrics['accuracy'])}")
    for band in evaluation.by_height:
        said = f"accuracy at slices {band.lowest:g} to {band.highest:g}"
        lines.append(f"{said:<42}{interval_line(band.by_slice['accuracy'])}")
    return "\n".join(lines)


def standing_text(rows: Sequence["Standing"]) -> str:
    """Say the AUC of networks beside each other and beside age, sex and site alone, a group of people at a time."""
    lines = []
    for group in dict.fromkeys(row.group for row in rows):
        lines.append(f"AUC, impaired or not, by subject, {group}:")
        own = [row for row in rows if row.group == group]
        width = max(len(row.what) for row in own) + 2
        lines += [
            f"  {row.what:<{width}}{interval_line(row.auc).removesuffix(')')}; {people(row.people)})" for row in own
        ]
    return "\n".join(lines)


def networks_text(networks: Mapping[str, Measured]) -> str:
    """Put the headline metrics of several networks beside each other, by subject and by slice.

    Args:
        networks: What each was called, and its metrics.
    """
    lines, width = [], max(map(len, networks))
    for unit in ("subject", "slice"):
        measured = {name: one.by_subject if unit == "subject" else one.by_slice for name, one in networks.items()}
        known = {name: metrics for name, metrics in measured.items() if metrics is not None}
        if not known:
            continue
        lines.append(f"{'by ' + unit:<{width + 2}}" + "".join(f"{name.replace('_', ' '):>28}" for name in HEADLINE))
        for name, metrics in known.items():
            cells = "".join(f"{with_interval(metrics[key]):>28}" for key in HEADLINE)
            lines.append(f"  {name:<{width}}{cells}  {people(metrics.people)}")
    return "\n".join(lines)


def comparison_text(found: "Comparison") -> str:
    """Say how two networks compare."""
    first, second = found.networks
    whose = f" of {people(found.people)}" if found.people else ""
    lines = [f"{first} minus {second}, on {counted(found.scans, 'scan')}{whose}"]
    lines += [
        f"  {title:<32}{one.value:+.3f}  (95 % {one.low:+.3f} to {one.high:+.3f})"
        for title, one in found.differences.items()
    ]
    if found.decisions is not None:
        decisions = found.decisions
        lines.append(
            f"  only the first right: {people(decisions.only_first)}, only the second: {decisions.only_second}; "
            f"McNemar p = {decisions.p:.3g}, Cohen's g = {decisions.g:.2f}"
        )
    if found.impaired is not None and found.impaired.impossible:
        lines.append(f"  DeLong's test, impaired or not, is not possible: {found.impaired.impossible}")
    elif found.impaired is not None and found.impaired.p == found.impaired.p:
        lines.append(f"  DeLong, impaired or not: p = {found.impaired.p:.3g}")
    if found.left_out:
        left_out = counted(found.left_out, "scan was", "scans were")
        lines.append(f"  {left_out} tested by one of them only, and left out")
    return "\n".join(lines)


def leakage_text(found: Leakage) -> str:
    """Say what leakage comes to."""
    lines = [f"{found.recipe}: {counted(found.slices, 'slice')} of {people(found.people)}"]
    lines += [f"  {scheme.title:<54}{percent(scheme.accuracy)}" for scheme in found.schemes]
    lines.append(f"  {'Always ' + found.largest_class:<54}{100 * found.always_largest:.1f} %")
    random, honest = (found.accuracy(name).value for name in ("permuted_labels", "by_subject"))
    lines.append(
        "With random labels there is nothing to learn but who is who; splitting slices still gives "
        f"{100 * random:.1f} %. On people never seen the same recipe is right in {100 * honest:.1f} %."
    )
    return "\n".join(lines)


def folds_text(summary: FoldsSummary) -> str:
    """Say what a cross-validation has found so far."""
    lines = [f"{summary.recipe}: {len(summary.finished)} of {len(summary.wanted)} folds finished"]
    for repeat in summary.repeats:
        lines.append(f"repeat {repeat.repeat}, {_tested_once(repeat)}")
        lines.append(metrics_text(repeat))
    for name, spread in summary.per_fold.items():
        sd = "" if spread.sd is None else f" ± {spread.sd:.3f} (standard deviation over folds)"
        lines.append(f"  {name.replace('_', ' '):<18} {spread.mean:.3f}{sd}")
    for repeat, one in zip(summary.repeats, summary.impaired, strict=False):  # none where nobody is impaired
        decided = one.decided
        lines.append(
            f"impaired or not, repeat {repeat.repeat}: accuracy {number(decided.accuracy)}, AUC {number(decided.auc)}, "
            f"sensitivity {number(decided.sensitivity)}, specificity {number(decided.specificity)}; thresholds chosen "
            "on validation people of the training folds"
        )
    return "\n".join(lines)


def _tested_once(repeat: RepeatMetrics) -> str:
    """Say who was tested in a repeat, and who was not since folds are missing."""
    metrics = repeat.by_subject or repeat.by_slice
    known, whole = repeat.by_subject is not None, metrics.n + repeat.untested
    everybody, unit = ("everybody", people(whole)) if known else ("every scan", counted(whole, "scan"))
    who = everybody if not repeat.untested else f"{metrics.n:,} of {unit}"
    once = f"{who} tested once" + (" by a network that never saw them" if known else "")
    return once if not repeat.untested else f"{once}; the folds of the other {repeat.untested:,} are not finished"


def _people_of(count: int, part: str) -> str:
    return counted(count, f"{part} person", f"{part} people")
