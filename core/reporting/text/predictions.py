"""Predictions as text."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.words import counted, either

if TYPE_CHECKING:
    import pandas as pd

BAR = 24
AGED = "Adjusted for an age of {age:g} years."
UNAGED = (
    "Not adjusted for age: old healthy brains look like younger ill ones. {how} compares the scan with healthy people "
    "of the same age."
)
FLIPPED = "This image is flipped: the front of the head is at the top. Turned over, it looks like a training scan."


def prediction_text(answer: dict[str, Any]) -> str:
    """Say a prediction: a bar per class, how a volume came into standard space, and what should be looked at.

    Args:
        answer: As `Reading.as_dict` gives it, with "scan", the name to show.
    """
    lines = [f"{answer['scan']}  ({answer['model']})"]
    if answer["rejected"]:
        lines.append(f"  {ood_text(answer['ood'])}")
    if answer["raw_outputs"] is not None:
        lines.append(f"  {raw_outputs_text(answer['raw_outputs'])}")
    elif answer["probabilities"] is None:
        over = "--flip turns it over; " if answer["ood"] and ood_text(answer["ood"]) == FLIPPED else ""
        lines.append(f"  No answer is given; {over}--force shows the network's raw outputs.")
    else:
        lines += _probabilities_text(answer)
        if "age" in answer:
            lines.append(f"  {age_text(answer['age'], '--age')}")
        if "brain_age" in answer:
            lines.append(f"  {brain_age_text(answer['brain_age'], answer.get('age'))}")
    if "standard_space" in answer:
        lines.append(f"  {space_text(answer['standard_space'], answer.get('slices', []))}")
    lines += [f"  Note: {warning}" for warning in answer["warnings"]]
    return "\n".join(lines)


def age_text(age: float | None, how: str) -> str:
    """Say what age an answer of a model that asks for it is adjusted for; `how` names where it can be given."""
    return UNAGED.format(how=how) if age is None else AGED.format(age=age)


def brain_age_text(found: dict[str, Any], age: float | None) -> str:
    """Say the age that a brain looks, with its error; beyond the ages that were learned from, only that it is.

    Args:
        found: As `Prediction.as_dict` gives it.
        age: The person's, in years; None if unknown.
    """
    years, youngest, oldest = found["years"], round(found["youngest"]), round(found["oldest"])
    learned = f"{counted(found['people'], 'healthy person', 'healthy people')} of {youngest} to {oldest} years"
    if not found["youngest"] <= years <= found["oldest"]:
        side = f"younger than {youngest}" if years < found["youngest"] else f"older than {oldest}"
        return f"Brain age: {side} years, beyond the ages that it was learned from ({learned})."
    said = f"Brain age: {years:.0f} ± {found['error']:.0f} years (standard deviation; learned from {learned})."
    if age is None:
        return said
    gap = years - age
    beyond = "more than" if abs(gap) > 2 * found["error"] else "within"
    side = "above" if gap >= 0 else "below"
    return f"{said} That is {counted(round(abs(gap)), 'year')} {side} the age given, {beyond} twice its error."


def prediction_table(
    answers: Sequence[dict[str, Any]], names: Sequence[str], refused: Sequence[tuple[str, str, str]] = ()
) -> "pd.DataFrame":
    """Return a row a scan; one that is rejected has no answer and no probabilities.

    Args:
        answers: As `prediction_text` takes them.
        names: What each scan is called.
        refused: Name, what is shown, and the reason of each that could not be read or got no answer; they come last.
    """
    rows: list[dict[str, Any]] = []
    for answer, name in zip(answers, names, strict=True):
        ood, sets, space = answer["ood"], answer["prediction_set"], answer.get("standard_space", {})
        rows.append(
            {
                "name": name,
                "scan": answer["scan"],
                "model": answer["model"],
                "answer": answer["answer"],
                **{f"p {one}": value for one, value in (answer["probabilities"] or {}).items()},
                "compatible_with": None if sets is None else "; ".join(sets["classes"]),
                "calibrated": answer["calibrated"],
                "rejected": answer["rejected"],
                "ood_score": None if ood is None else ood["score"],
                "ood_limit": None if ood is None else ood["limit"],
                "alignment": space.get("verdict"),
                "warnings": " ".join(answer["warnings"]),
            }
        )
    import pandas as pd

    rows += [{"name": name, "scan": shown, "error": error} for name, shown, error in refused]
    return pd.DataFrame(rows, columns=None if rows else ["name", "scan", "error"])


def summary_text(answers: Sequence[dict[str, Any]], *, failed: int, passed_over: int) -> str:
    """Say how many scans got which answer, were rejected, or could not be read.

    Args:
        answers: As `prediction_text` takes them.
        failed: Scans that could not be read, or got no answer.
        passed_over: Files that are no scans.
    """
    given = Counter(answer["answer"] for answer in answers if not answer["rejected"])
    rejected = sum(answer["rejected"] for answer in answers)
    parts = [f"{count:,} {name}" for name, count in given.most_common()]
    parts += [f"{rejected:,} rejected"] if rejected else []
    parts += [f"{failed:,} without an answer"] if failed else []
    said = f"{counted(len(answers) + failed, 'scan')}: {', '.join(parts)}."
    return f"{said} {counted(passed_over, 'file is', 'files are')} no scans." if passed_over else said


def _probabilities_text(answer: dict[str, Any]) -> list[str]:
    probabilities = answer["probabilities"]
    width = max(len(name) for name in probabilities)
    lines = []
    for name, probability in probabilities.items():
        bar = "█" * round(probability * BAR)
        lines.append(f"  {name:<{width}}  {100 * probability:5.1f} %  {bar}")
    return [*lines, f"  {set_text(answer)}"]


def set_text(answer: dict[str, Any]) -> str:
    """Say which classes an answer is compatible with, and how often such a list was right in testing."""
    found = answer["prediction_set"]
    if found is None:
        return calibrated_text("The probabilities", answer)
    said = f"Compatible with: {either(found['classes'])}. "
    if found["tested"]:
        said += f"In testing, this list contained the true class for {found['tested']}. "
    left_out = left_out_text(answer["probabilities"], found["classes"], found["coverage"])
    return f"{said}{calibrated_text('The probabilities', answer)} {left_out}".rstrip()


def calibrated_text(what: str, answer: dict[str, Any]) -> str:
    """Say whether probabilities are calibrated, and why not where that was tried.

    Args:
        what: They, as the sentence's subject.
        answer: As `Prediction.as_dict` gives it.
    """
    doubt = answer["calibration_doubt"]
    return f"{what} are {'' if answer['calibrated'] else 'not '}calibrated{doubt and f': {doubt}'}."


def left_out_text(probabilities: dict[str, float], listed: Sequence[str], coverage: float) -> str:
    """Say why classes are not listed that the probabilities beside the list do not tell from listed ones.

    Args:
        probabilities: Of all classes, as they are shown.
        listed: The classes of the prediction set.
        coverage: Nominal, of the set.

    Returns:
        Why; "" where the list is what one reads off the probabilities.
    """
    others = {name: value for name, value in probabilities.items() if name not in listed}
    lowest = min(probabilities[name] for name in listed)
    if not others or (sum(others.values()) <= 1 - coverage and max(others.values()) < lowest):
        return ""
    named = " and ".join(f"{name} ({100 * value:.0f} %)" for name, value in others.items())
    return (
        f"Not listed: {named}. The list is not read off these probabilities: how unlikely a class may be and still be "
        "listed was learned for the classes from validation people, on the outputs before they were calibrated."
    )


def raw_outputs_text(outputs: dict[str, float]) -> str:
    """Say what a network puts out for a scan that is rejected, in the order of the classes."""
    values = ", ".join(f"{name} {100 * value:.1f} %" for name, value in outputs.items())
    return f"Raw outputs, not validated for this image; they are no probabilities and name no stage: {values}."


def ood_text(ood: dict[str, Any]) -> str:
    """Say that a scan is not of the kind a network was trained on."""
    if ood["upside_down"] and ood["turned"] <= ood["limit"]:
        return FLIPPED
    return (
        f"Too different from the training scans (distance {ood['score']:.1f}; accepted up to {ood['limit']:.1f}): it "
        "does not look like what the network was trained on."
    )


def space_text(space: dict[str, Any], slices: list[dict[str, Any]]) -> str:
    """Say how a volume came into standard space and which slices were read."""
    how = "Aligned to the standard brain" if space["registered"] else "Lies in standard space already"
    seen = "It was read whole."
    if slices:
        low, high = slices[0]["height_mm"], slices[-1]["height_mm"]
        seen = f"The network read {len(slices)} axial slices, {low:+.0f} to {high:+.0f} mm.".replace("-", "−")
    return f"{how}: {space['verdict']} ({space['similarity']:.2f}). {seen}"
