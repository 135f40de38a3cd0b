"""Predictions as text."""

from collections.abc import Sequence
from typing import Any

BAR = 24


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
