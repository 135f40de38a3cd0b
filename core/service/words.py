"""Findings and figures as text that a person reads on a shell."""

from typing import Any

BAR = 24
SHOWN_GROUPS = 20
NOTICE = "For research and education. Not a medical device."


def audit_words(findings: dict[str, Any], *, every_group: bool = False) -> str:
    """Say what an audit found.

    Args:
        findings: As `Audit.as_dict` gives them.
        every_group: Whether to list all groups of copies rather than the first 20.
    """
    by_class = findings["images_by_class"]
    lines = [f"{_number(findings['images'])} images: " + _list(by_class)]
    lines += _people_words(findings)
    unreadable = findings["unreadable"]
    lines.append(f"{len(unreadable)} unreadable files" if unreadable else "No unreadable files.")
    lines += [f"  {item['reason']}" for item in unreadable[:SHOWN_GROUPS]]
    lines += _copies_words(findings, every_group=every_group)
    return "\n".join(lines)


def _people_words(findings: dict[str, Any]) -> list[str]:
    if not findings["people_found"]:
        return [
            "People cannot be told apart: the similarities of these images show no gap between pictures of one person "
            "and of two. Near copies are grouped; nothing more is claimed."
        ]
    slices = findings["slices_per_person"]
    each = f"{slices[0]} slices each" if len(slices) == 1 else f"{slices[0]} to {slices[-1]} slices each"
    lines = [f"{findings['people']} people, {each}: {_list(findings['people_by_class'])}"]
    if findings["people_named"]:
        lines.append("  as the folder's manifest names them")
    else:
        lines += [
            f"  found from the images alone: slices of one person correlate at {findings['weakest_link']:.3f} or more, "
            f"those of two at {findings['strongest_other']:.3f} or less",
            f"  threshold {findings['threshold']:.3f}; the gap is {findings['clearness']:.1f} times as wide as the "
            "spread of the links above it (1 is the least that is accepted)",
        ]
    if findings["people_with_several_labels"]:
        lines.append(f"  {findings['people_with_several_labels']} people have slices in more than one class")
    return lines


def _copies_words(findings: dict[str, Any], *, every_group: bool) -> list[str]:
    identical = findings["identical_groups"]
    if not identical:
        lines = ["No byte-identical copies."]
    else:
        lines = [f"{findings['identical_copies']} byte-identical copies, in {len(identical)} groups:"]
        lines += _group_lines(identical, every_group=every_group)
    straddling = findings["straddling_groups"]
    if straddling:
        lines.append(f"{len(straddling)} groups straddle parts, so that a test score on them is inflated:")
        lines += _group_lines(straddling, every_group=every_group)
    lines.append(f"{findings['near_copies']} near copies (correlation 0.999 or more), identical ones among them.")
    return lines


def _group_lines(groups: list[dict[str, Any]], *, every_group: bool) -> list[str]:
    shown = groups if every_group else groups[:SHOWN_GROUPS]
    lines = ["  " + "  =  ".join(group["paths"]) for group in shown]
    if len(groups) > len(shown):
        lines.append(f"  … and {len(groups) - len(shown)} more; --all lists them, --json and --table too")
    return lines


def download_words(values: dict[str, Any]) -> str:
    """Say what came of a download."""
    lines = [f"{sum(values['counts'].values()):,} images in {values['folder']}: {_list(values['counts'])}"]
    if not values["as_known"]:
        lines.append(f"WARNING: the set was {_list(values['expected'])} when it was last seen; figures may differ.")
    return "\n".join(lines)


def preprocess_words(values: dict[str, Any]) -> str:
    """Say what preprocessing left."""
    lines = [f"{_number(values['files'])} files of {values['volumes']} volumes of {values['people']} people"]
    if values["resumed"]:
        lines.append(f"{values['resumed']} volumes were done already")
    if values["without_class"]:
        lines.append(f"{values['without_class']} volumes were set aside: nobody has said their class")
    lines += [f"doubtful: {source}; look at it before training on it" for source in values["doubtful"]]
    lines += [f"left out: {item['reason']}" for item in values["left_out"]]
    return "\n".join([*lines, f"written to {values['out']}, with manifest.csv"])


def split_words(described: dict[str, Any]) -> str:
    """Say what a split holds, and loudly when it tears people apart."""
    lines = [f"split by {described['by']}, seed {described['seed']}"]
    for part, images in described["images"].items():
        people = f" of {described['people'][part]} people" if described["people"] else ""
        lines.append(f"  {part:<6}{_number(images):>7} images{people}")
    if described["tearing"]:
        lines.append(f"WARNING: {described['tearing']}")
    return "\n".join(lines)


def figures_words(values: dict[str, Any]) -> str:
    """Say the figures of an evaluation or a card, by slice and by person."""
    lines = []
    for key in ("by_person", "by_slice"):
        figures = values[key]
        if figures is None:
            lines.append("by person: people are not known")
            continue
        slices = f"{_number(figures['n'])} slices of " if figures["unit"] == "slice" else ""
        lines.append(f"by {figures['unit']}: {slices}{_number(figures['people'])} people")
        for name in ("accuracy", "balanced_accuracy", "auc"):
            low, high = figures["intervals"][name]
            lines.append(
                f"  {name.replace('_', ' '):<18} {_share(figures[name])}  (95 % {_share(low)} to {_share(high)})"
            )
        lines += [f"  {note}" for note in figures["notes"]]
    return "\n".join(lines)


def confounder_words(against: dict[str, Any]) -> str:
    """Say what people's age, sex and site achieve beside the network, for everybody and for those of an age."""
    lines = []
    for group in against["groups"]:
        network = group["by_person"]
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
            lines.append(f"  {known:<42}{_share(alone['value'])}  (95 % {_share(low)} to {_share(high)})")
            if explained["value"] is not None:
                low, high = explained["interval"]
                lines.append(f"  {'  explains of the network’s variance':<42}{_share(explained['value'])}  "
                             f"(95 % {_share(low)} to {_share(high)})")  # fmt: skip
    return "\n".join(lines)


def _with_interval(figures: dict[str, Any], name: str) -> str:
    low, high = figures["intervals"][name]
    return f"{_share(figures[name])}  (95 % {_share(low)} to {_share(high)})"


def calibration_words(found: dict[str, Any]) -> str:
    """Say how far probabilities can be taken at their word, before and after a scaling."""
    lines = []
    for unit in ("slice", "person"):
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
                f"  {title:<22}calibration error {_share(one[name]['error'])}  (95 % {_share(low)} to {_share(high)}), "
                f"log loss {one[name]['log_loss']:.3f}{f', temperature {said}' if said else ''}"
            )
    return "\n".join(lines)


def sets_words(found: dict[str, Any]) -> str:
    """Say what sets of classes that cannot be ruled out come to."""
    low, high = found["interval"]
    by_class = ", ".join(f"{name} {share:.2f}" for name, share in found["by_class"].items() if share is not None)
    alone = ", ".join(found["calibrated_alone"]) or "none"
    return (
        f"prediction sets by person: the truth is among them for {found['coverage']:.1%} "
        f"(95 % {low:.1%} to {high:.1%}; promised {found['wanted']:.0%})\n"
        f"  {found['size']:.2f} classes a set, one class in {found['single']:.0%}\n"
        f"  by class: {by_class}; calibrated by themselves: {alone}"
    )


def comparison_words(compared: dict[str, Any], rows: list[tuple[str, float, float, float]]) -> str:
    """Say how two networks compare; `rows` as of `core.service.comparing.differences`."""
    first, second = compared["networks"]
    people = f" of {_number(compared['people'])} people" if compared["people"] else ""
    lines = [f"{first} less {second}, on {_number(compared['scans'])} scans{people}"]
    lines += [f"  {title:<32}{value:+.3f}  (95 % {low:+.3f} to {high:+.3f})" for title, value, low, high in rows]
    if "decisions_by_person" in compared:
        found = compared["decisions_by_person"]
        lines.append(f"  only the first right: {found['only_first']} people, only the second: {found['only_second']}; "
                     f"McNemar p = {found['p']:.3g}, Cohen's g = {found['g']:.2f}")  # fmt: skip
    if "impaired_by_person" in compared and compared["impaired_by_person"]["p"] is not None:
        lines.append(f"  DeLong, impaired or not: p = {compared['impaired_by_person']['p']:.3g}")
    if compared["left_out"]:
        lines.append(f"  {_number(compared['left_out'])} scans were tested by one of them only, and are left out")
    return "\n".join(lines)


def leak_words(values: dict[str, Any]) -> str:
    """Say what a leak comes to."""
    lines = [f"{values['recipe']}: {_number(values['slices'])} slices of {_number(values['people'])} people"]
    for found in values.values():
        if isinstance(found, dict) and "interval" in found:
            low, high = found["interval"]
            lines.append(f"  {found['title']:<46}{found['accuracy']:>7.1%}  (95 % {low:.1%} to {high:.1%})")
    always = values["always"]
    lines.append(f"  {'Always ' + always['class']:<46}{always['accuracy']:>7.1%}")
    lot, honest = (values[name]["accuracy"] for name in ("shuffled_labels", "by_person"))
    lines.append(
        f"With classes drawn by lot there is nothing to learn but who is who; splitting slices still gives {lot:.1%}. "
        f"On people never seen the same recipe is right in {honest:.1%}."
    )
    return "\n".join(lines)


def folds_words(summary: dict[str, Any]) -> str:
    """Say what a cross-validation has found so far."""
    lines = [f"{summary['recipe']}: {len(summary['finished'])} of {len(summary['wanted'])} folds finished"]
    for repeat in summary["repeats"]:
        lines += [
            f"repeat {repeat['repeat']}, everybody tested once by a network that never saw them",
            figures_words(repeat),
        ]
    for name, spread in summary["per_fold"].items():
        sd = "" if spread["sd"] is None else f" ± {spread['sd']:.3f} (sd of folds)"
        lines.append(f"  {name.replace('_', ' '):<18} {spread['mean']:.3f}{sd}")
    for number, decided in enumerate(summary["impaired"] or [], start=1):
        lines.append(
            f"impaired or not, repeat {number}: accuracy {_share(decided['accuracy'])}, AUC {_share(decided['auc'])}, "
            f"sensitivity {_share(decided['sensitivity'])}, specificity {_share(decided['specificity'])}; thresholds "
            "chosen on validation people of the training folds"
        )
    return "\n".join(lines)


def devices_words(reports: list[dict[str, Any]]) -> str:
    """Say what each backend found and what will be used."""
    lines = []
    for report in reports:
        mark = "→" if report["chosen"] else " "
        if not report["installed"]:
            extra = "requirements.txt" if report["name"] == "tensorflow" else "requirements-backends.txt"
            lines.append(f"{mark} {report['name']:<11} not installed (pip install -r {extra})")
        elif report["trouble"]:
            lines.append(f"{mark} {report['name']:<11} does not work: {report['trouble']}")
        else:
            precision = "bfloat16" if report["bfloat16"] else "float32 only"
            found = ", ".join(report["devices"])
            lines.append(f"{mark} {report['name']:<11} uses {report['used']}; found {found}; {precision}")
    return "\n".join([*lines, "→ is used; KERAS_BACKEND=torch or jax chooses another."])


def reading_words(answer: dict[str, Any]) -> str:
    """Say a prediction: a bar per class, how a volume came into standard space, and what should be looked at.

    Args:
        answer: As `Reading.as_dict` gives it, with "scan", the name to show.
    """
    lines = [f"{answer['scan']}  ({answer['model']})"]
    probabilities = answer["probabilities"]
    width = max(len(name) for name in probabilities)
    for name, probability in probabilities.items():
        bar = "█" * round(probability * BAR)
        lines.append(f"  {name:<{width}}  {probability:6.1%}  {bar}")
    if "standard_space" in answer:
        lines.append(f"  {space_words(answer['standard_space'], answer.get('slices', []))}")
    lines += [f"  Note: {warning}" for warning in answer["warnings"]]
    return "\n".join(lines)


def space_words(space: dict[str, Any], slices: list[dict[str, Any]]) -> str:
    """Say how a volume came into standard space and which slices were read."""
    how = "registered to the ICBM template" if space["registered"] else "found to lie in standard space already"
    seen = "read whole"
    if slices:
        low, high = slices[0]["height_mm"], slices[-1]["height_mm"]
        seen = f"{len(slices)} slices read, {low:+.0f} to {high:+.0f} mm".replace("-", "−")
    return f"{how} ({space['verdict']}; correlation {space['similarity']:.2f}); {seen}"


def _list(counts: dict[str, int]) -> str:
    return ", ".join(f"{_number(count)} {name}" for name, count in counts.items())


def _number(count: int) -> str:
    return f"{count:,}"


def _share(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
