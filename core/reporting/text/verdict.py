"""What a test says of people a network was not trained on; how it was split and how it is counted are two things."""

from core.networks.card import Card, NearestPicture
from core.reporting.text.evaluation import metrics_text
from core.reporting.text.numbers import interval_line, with_interval
from core.results import ROUGH, Metrics, SplitSummary
from core.words import people

SPLITS = {"slice": "by slice, at random", "folder": "as their folders came"}


def split_words(split: SplitSummary) -> str:
    """Say how scans were divided, such as "by subject"."""
    return SPLITS.get(split.by, f"by {split.by}")


def card_text(card: Card) -> str:
    """Say what a network is worth on new people, then how it was split, then the metrics by what is counted."""
    lines = [
        verdict(card),
        f"split {split_words(card.split)}, seed {card.split.seed}",
        metrics_text(card),
        *([nearest_text(card.nearest)] if card.nearest is not None else []),
    ]
    return "\n".join(lines)


def nearest_text(found: NearestPicture) -> str:
    """Say what the nearest training picture reaches, and what the network does where none is like a scan."""
    people_too = "" if found.by_subject is None else f" and, of people, for {with_interval(found.by_subject)}"
    said = (
        f"The label of the nearest training picture, {found.side} × {found.side} pixels, which learns nothing, is "
        f"right for {with_interval(found.by_slice)} of the same scans{people_too}."
    )
    if found.unlike is None:
        return f"{said} Every scan has a training picture that is like it."
    few = found.unlike
    return (
        f"{said} Of the {few.scans:,} that no training picture is like (correlation below {few.below:.2f}) the network "
        f"is right for {with_interval(few.network)}, the nearest picture for {with_interval(few.nearest)}."
    )


def verdict(card: Card) -> str:
    """Say whether a network was shown to be right for people it was not trained on more often than a constant answer.

    Args:
        card: With its split; where people are in several parts, or not known, nothing is said of new people.
    """
    metrics = card.by_subject
    if metrics is None or card.split.people is None:
        return "No result for new people: whose scans these are is not known, so they may be in several parts."
    if card.split.subject_overlap is not None:
        return f"No result for new people: {card.split.subject_overlap}"
    of = "people it was not trained on"
    if card.evaluated_on != "test":
        of = f"people of the {card.evaluated_on} part, by which its epochs were chosen"
    accuracy = metrics["accuracy"]
    answer, fraction = _largest(metrics)
    if metrics.people < ROUGH:
        compared = "too few people to compare with"
    elif accuracy.low > fraction:
        compared = "better than"
    else:
        compared = "worse than" if accuracy.high < fraction else "not shown to be better than"
    tested = people(metrics.people).removesuffix(" people").removesuffix(" person")
    found = interval_line(accuracy).replace("  ", " ")
    return f"On {tested} {of}, accuracy {found}: {compared} always answering {answer} ({fraction:.3f})."


def _largest(metrics: Metrics) -> tuple[str, float]:
    """Return the class of most people, and their fraction."""
    counts = [sum(row) for row in metrics.confusion]
    return metrics.classes[counts.index(max(counts))], max(counts) / max(sum(counts), 1)
