"""Predictions as text."""

from collections.abc import Sequence
from typing import Any

BAR = 24


def prediction_text(answer: dict[str, Any]) -> str:
    """Say a prediction: a bar per class, how a volume came into standard space, and what should be looked at.

    Args:
        answer: As `Reading.as_dict` gives it, with "scan", the name to show.
    """
    lines = [f"{answer['scan']}  ({answer['model']})"]
    if answer["rejected"]:
        lines.append(f"  {ood_text(answer['ood'])}")
    if answer["probabilities"] is None:
        lines.append("  No answer is given; --force gives one anyway.")
    else:
        lines += _probabilities_text(answer)
    if "standard_space" in answer:
        lines.append(f"  {space_text(answer['standard_space'], answer.get('slices', []))}")
    lines += [f"  Note: {warning}" for warning in answer["warnings"]]
    return "\n".join(lines)


def _probabilities_text(answer: dict[str, Any]) -> list[str]:
    probabilities = answer["probabilities"]
    width = max(len(name) for name in probabilities)
    lines = []
    for name, probability in probabilities.items():
        bar = "█" * round(probability * BAR)
        lines.append(f"  {name:<{width}}  {probability:6.1%}  {bar}")
    return [*lines, f"  {belief_text(answer)}"]


def belief_text(answer: dict[str, Any]) -> str:
    """Say what the probabilities of an answer are worth, and what it does not rule out."""
    if not answer["calibrated"]:
        return "The probabilities are not calibrated."
    kept = answer["prediction_set"]
    promise = f"a promise kept for {kept['coverage']:.0%} of people it has not seen"
    return f"Not ruled out: {either(kept['classes'])} ({promise}). The probabilities are calibrated."


def ood_text(ood: dict[str, Any]) -> str:
    """Say that a scan is not of the kind a network knows, and what comes nearest to it."""
    if ood["upside_down"] and ood["turned"] <= ood["limit"]:
        return "This lies upside down for the network: turned over, it looks more like what it was trained on."
    nearest = ", ".join(f"{count} {name}" for name, count in ood["similar"].items())
    return (
        "This does not look like what the network was trained on: it lies "
        f"{ood['score']:.1f} away from what those scans have in common, where {ood['limit']:.1f} is the limit. "
        f"The training scans nearest to it: {nearest}."
    )


def either(names: Sequence[str]) -> str:
    """Join names with commas and a last "or".

    >>> either(["Very Mild", "Mild"])
    'Very Mild or Mild'
    """
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def space_text(space: dict[str, Any], slices: list[dict[str, Any]]) -> str:
    """Say how a volume came into standard space and which slices were read."""
    how = "registered to the ICBM template" if space["registered"] else "found to lie in standard space already"
    seen = "read whole"
    if slices:
        low, high = slices[0]["height_mm"], slices[-1]["height_mm"]
        seen = f"{len(slices)} slices read, {low:+.0f} to {high:+.0f} mm".replace("-", "−")
    return f"{how} ({space['verdict']}; correlation {space['similarity']:.2f}); {seen}"
