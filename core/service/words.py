"""Findings and figures as text that a person reads on a shell."""

from collections.abc import Sequence
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
    why = next((report["why"] for report in reports if report["why"]), "none of these")
    return "\n".join([*lines, f"→ is used: {why}. KERAS_BACKEND=torch, jax or tensorflow chooses another."])


def reading_words(answer: dict[str, Any]) -> str:
    """Say a prediction: a bar per class, how a volume came into standard space, and what should be looked at.

    Args:
        answer: As `Reading.as_dict` gives it, with "scan", the name to show.
    """
    lines = [f"{answer['scan']}  ({answer['model']})"]
    if answer["refused"]:
        lines.append(f"  {foreign_words(answer['novelty'])}")
    if answer["probabilities"] is None:
        lines.append("  No answer is given; --nevertheless gives it all the same.")
    else:
        lines += _probabilities_words(answer)
    if "standard_space" in answer:
        lines.append(f"  {space_words(answer['standard_space'], answer.get('slices', []))}")
    lines += [f"  Note: {warning}" for warning in answer["warnings"]]
    return "\n".join(lines)


def _probabilities_words(answer: dict[str, Any]) -> list[str]:
    probabilities = answer["probabilities"]
    width = max(len(name) for name in probabilities)
    lines = []
    for name, probability in probabilities.items():
        bar = "█" * round(probability * BAR)
        lines.append(f"  {name:<{width}}  {probability:6.1%}  {bar}")
    return [*lines, f"  {belief_words(answer)}"]


def belief_words(answer: dict[str, Any]) -> str:
    """Say what the probabilities of an answer are worth, and what it does not rule out."""
    if not answer["calibrated"]:
        return "The probabilities are not calibrated."
    kept = answer["not_ruled_out"]
    promise = f"a promise kept for {kept['coverage']:.0%} of people it has not seen"
    return f"Not ruled out: {either(kept['classes'])} ({promise}). The probabilities are calibrated."


def foreign_words(novelty: dict[str, Any]) -> str:
    """Say that a scan is not of the kind a network knows, and what comes nearest to it."""
    if novelty["upside_down"] and novelty["turned"] <= novelty["limit"]:
        return "This lies upside down for the network: turned over, it looks more like what it was trained on."
    nearest = ", ".join(f"{count} {name}" for name, count in novelty["similar"].items())
    return (
        "This does not look like what the network was trained on: it lies "
        f"{novelty['score']:.1f} away from what those scans have in common, where {novelty['limit']:.1f} is the limit. "
        f"The training scans nearest to it: {nearest}."
    )


def either(names: Sequence[str]) -> str:
    """Join names with commas and a last "or".

    >>> either(["Very Mild", "Mild"])
    'Very Mild or Mild'
    """
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


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
