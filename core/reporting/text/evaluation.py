"""Figures of an evaluation as text that a person reads on a shell."""

from typing import Any


def metrics_text(values: dict[str, Any]) -> str:
    """Say the figures of an evaluation or a card, by slice and by person."""
    lines = []
    for key in ("by_subject", "by_slice"):
        metrics = values[key]
        if metrics is None:
            lines.append("by person: people are not known")
            continue
        slices = f"{metrics['n']:,} slices of " if metrics["unit"] == "slice" else ""
        lines.append(f"by {metrics['unit']}: {slices}{metrics['people']:,} people")
        for name in ("accuracy", "balanced_accuracy", "auc"):
            low, high = metrics["intervals"][name]
            lines.append(
                f"  {name.replace('_', ' '):<18} {_number(metrics[name])}  (95 % {_number(low)} to {_number(high)})"
            )
        lines += [f"  {note}" for note in metrics["notes"]]
    return "\n".join(lines)


def confounder_text(against: dict[str, Any]) -> str:
    """Say what people's age, sex and site achieve beside the network, for everybody and for those of an age, and how
    often it is right for people of each sex, site and decade of age.
    """
    lines = []
    for group in against["groups"]:
        network = group["by_subject"]
        lines.append(f"{group['group']}: {group['people']} people")
        lines.append(f"  {'accuracy, by person':<42}{_with_interval(network, 'accuracy')}")
        lines.append(f"  {'impaired or not, by person, area':<42}{_with_interval(network, 'auc_impaired')}")
        for one in group["covariates"]:
            alone, explained = one["auc_alone"], one["variance_explained"]
            if alone["value"] is None:
                lines.append(f"  {one['name']}: {alone['reason']}")
                continue
            low, high = alone["interval"]
            known = f"{one['name']} alone, area ({one['people']} people)"
            lines.append(f"  {known:<42}{_number(alone['value'])}  (95 % {_number(low)} to {_number(high)})")
            if explained["value"] is not None:
                low, high = explained["interval"]
                lines.append(f"  {'  explains of the network’s variance':<42}{_number(explained['value'])}  "
                             f"(95 % {_number(low)} to {_number(high)})")  # fmt: skip
    for one in against.get("subgroups", ()):
        said = f"accuracy by person, {one['fact']} {one['kind']} ({one['people']} people)"
        lines.append(f"{said:<50}{_with_interval(one, 'accuracy')}")
    return "\n".join(lines)


def _with_interval(metrics: dict[str, Any], name: str) -> str:
    low, high = metrics["intervals"][name]
    return f"{_number(metrics[name])}  (95 % {_number(low)} to {_number(high)})"


def calibration_text(found: dict[str, Any]) -> str:
    """Say how far probabilities can be taken at their word, before and after a scaling."""
    lines = []
    for unit in ("slice", "subject"):
        one = found[f"by_{unit}"]
        lines.append(f"calibration by {unit}: fitted on {one['fitted_on_people']} validation people, measured on "
                     f"{one['measured_on_people']} test people")  # fmt: skip
        for name, title in (
            ("as_is", "as the network says"),
            ("temperature", "temperature"),
            ("vector", "vector scaling"),
        ):
            low, high = one[name]["interval"]
            said = ", ".join(f"{value:.2f}" for value in one[name].get("temperatures", []))
            lines.append(
                f"  {title:<22}calibration error {_number(one[name]['error'])}  (95 % {_number(low)} to {_number(high)}), "
                f"log loss {one[name]['log_loss']:.3f}{f', temperature {said}' if said else ''}"
            )
    return "\n".join(lines)


def sets_text(found: dict[str, Any]) -> str:
    """Say what sets of classes that cannot be ruled out come to."""
    low, high = found["interval"]
    by_class = ", ".join(
        f"{name} {fraction:.2f}" for name, fraction in found["by_class"].items() if fraction is not None
    )
    alone = ", ".join(found["calibrated_alone"]) or "none"
    return (
        f"prediction sets by person: the truth is among them for {found['coverage']:.1%} "
        f"(95 % {low:.1%} to {high:.1%}; promised {found['wanted']:.0%})\n"
        f"  {found['size']:.2f} classes a set, one class in {found['single']:.0%}\n"
        f"  by class: {by_class}; calibrated by themselves: {alone}"
    )


def uncertainty_text(card: dict[str, Any]) -> str:
    """Say how far a bundle's answers are to be believed: its calibration, its sets, and what it refuses."""
    lines = []
    found, ood = card.get("calibration"), card.get("ood")
    if found is not None:
        fitted = found["fitted_on"]
        lines.append(f"fitted on {fitted['scans']:,} scans of {fitted['people']} validation people:")
        units = [unit for unit in ("scan", "subject") if found[unit] is not None]
        lines += [f"  temperature of a {unit:<14}{found[unit]['temperature']:.2f}" for unit in units]
        if found["measured"] is not None:
            lines += _measured_text(found)
    if ood is not None:
        unseen = ood["unseen"]
        low, high = unseen["interval"]
        lines.append(
            f"refused as foreign: {unseen['fraction']:.1%} of {unseen['scans']:,} scans of people not trained on "
            f"(95 % {low:.1%} to {high:.1%})"
        )
        for kind, of_kind in (ood["ood_rejection"] or {}).items():
            lines.append(f"  {kind:<24}{of_kind['rejected']:.0%} of {of_kind['n']}")
    return "\n".join(lines)


def _measured_text(found: dict[str, Any]) -> list[str]:
    lines = ["measured on test people:"]
    for unit, errors in found["measured"]["errors"].items():
        before, after = errors["as_is"], errors["temperature"]
        low, high = after["interval"]
        lines.append(
            f"  calibration error {unit.replace('_', ' '):<12}{before['error']:.3f} as it is, {after['error']:.3f} "
            f"scaled (95 % {low:.3f} to {high:.3f})"
        )
    sets = found["measured"]["sets_by_slice"]
    low, high = sets["interval"]
    lines.append(
        f"  truth not ruled out, by slice   {sets['fraction']:.1%} (95 % {low:.1%} to {high:.1%}; promised "
        f"{found['coverage']:.0%}), {sets['size']:.1f} classes left"
    )
    of_people = found["measured"]["sets_by_subject"]
    if of_people is not None:
        low, high = of_people["interval"]
        lines.append(
            f"  truth not ruled out, by person  {of_people['coverage']:.1%} (95 % {low:.1%} to {high:.1%}; promised "
            f"{found['coverage']:.0%}), {of_people['size']:.1f} classes left"
        )
    return lines


def subgroup_text(values: dict[str, Any]) -> str:
    """Say the accuracy of each part, by slice and by person, and of slices from the lowest to the highest quarter."""
    lines = []
    for one in values["by_part"]:
        for unit in ("slice", "subject"):
            if one[f"by_{unit}"] is not None:
                said = f"accuracy on the {one['part']} part, by {unit}"
                lines.append(f"{said:<42}{_with_interval(one[f'by_{unit}'], 'accuracy')}")
    for one in values["by_height"]:
        said = f"accuracy at slices {one['lowest']:g} to {one['highest']:g}"
        lines.append(f"{said:<42}{_with_interval(one['by_slice'], 'accuracy')}")
    return "\n".join(lines)


def standing_text(rows: list[dict[str, Any]]) -> str:
    """Say the areas of networks beside each other and beside age, sex and site alone, a group of people at a time."""
    lines = []
    for group in dict.fromkeys(row["group"] for row in rows):
        lines.append(f"impaired or not, by person, area, {group}:")
        own = [row for row in rows if row["group"] == group]
        width = max(len(row["what"]) for row in own) + 2
        for row in own:
            low, high = row["interval"]
            lines.append(f"  {row['what']:<{width}}{_number(row['auc'])}  (95 % {_number(low)} to {_number(high)}; "
                         f"{row['people']} people)")  # fmt: skip
    return "\n".join(lines)


def comparison_text(compared: dict[str, Any], rows: list[tuple[str, float, float, float]]) -> str:
    """Say how two networks compare; `rows` as of `core.evaluation.network_comparison.differences`."""
    first, second = compared["networks"]
    people = f" of {compared['people']:,} people" if compared["people"] else ""
    lines = [f"{first} less {second}, on {compared['scans']:,} scans{people}"]
    lines += [f"  {title:<32}{value:+.3f}  (95 % {low:+.3f} to {high:+.3f})" for title, value, low, high in rows]
    if "decisions_by_subject" in compared:
        found = compared["decisions_by_subject"]
        lines.append(f"  only the first right: {found['only_first']} people, only the second: {found['only_second']}; "
                     f"McNemar p = {found['p']:.3g}, Cohen's g = {found['g']:.2f}")  # fmt: skip
    if "impaired_by_subject" in compared and compared["impaired_by_subject"]["p"] is not None:
        lines.append(f"  DeLong, impaired or not: p = {compared['impaired_by_subject']['p']:.3g}")
    if compared["left_out"]:
        lines.append(f"  {compared['left_out']:,} scans were tested by one of them only, and are left out")
    return "\n".join(lines)


def leakage_text(values: dict[str, Any]) -> str:
    """Say what a leak comes to."""
    lines = [f"{values['recipe']}: {values['slices']:,} slices of {values['people']:,} people"]
    for found in values.values():
        if isinstance(found, dict) and "interval" in found:
            low, high = found["interval"]
            lines.append(f"  {found['title']:<46}{found['accuracy']:>7.1%}  (95 % {low:.1%} to {high:.1%})")
    always = values["always"]
    lines.append(f"  {'Always ' + always['class']:<46}{always['accuracy']:>7.1%}")
    lot, honest = (values[name]["accuracy"] for name in ("permuted_labels", "by_subject"))
    lines.append(
        f"With classes drawn by lot there is nothing to learn but who is who; splitting slices still gives {lot:.1%}. "
        f"On people never seen the same recipe is right in {honest:.1%}."
    )
    return "\n".join(lines)


def folds_text(summary: dict[str, Any]) -> str:
    """Say what a cross-validation has found so far."""
    lines = [f"{summary['recipe']}: {len(summary['finished'])} of {len(summary['wanted'])} folds finished"]
    for repeat in summary["repeats"]:
        lines += [
            f"repeat {repeat['repeat']}, everybody tested once by a network that never saw them",
            metrics_text(repeat),
        ]
    for name, spread in summary["per_fold"].items():
        sd = "" if spread["sd"] is None else f" ± {spread['sd']:.3f} (sd of folds)"
        lines.append(f"  {name.replace('_', ' '):<18} {spread['mean']:.3f}{sd}")
    for number, decided in enumerate(summary["impaired"] or [], start=1):
        lines.append(
            f"impaired or not, repeat {number}: accuracy {_number(decided['accuracy'])}, AUC {_number(decided['auc'])}, "
            f"sensitivity {_number(decided['sensitivity'])}, specificity {_number(decided['specificity'])}; thresholds "
            "chosen on validation people of the training folds"
        )
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
