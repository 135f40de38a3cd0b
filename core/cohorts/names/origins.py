"""Whose slices these are by what DICOM files say: the patient, or the examination where the patient was taken out."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.scans.scan import Origin

BY_STUDY = (
    "the DICOM files name no patients, so each examination is taken for one person: two visits of one person count as "
    "two people."
)


@dataclass(frozen=True)
class ByOrigin:
    """Which slices are one person's.

    Attributes:
        keys: One per slice; equal for slices of one person.
        doubt: What is not established about it; "" for nothing.
    """

    keys: tuple[str, ...]
    doubt: str = ""


def people_by_origin(origins: Sequence[Origin | None], labels: Sequence[str]) -> ByOrigin | None:
    """Tell people apart by what the files say; None where some of them say nothing.

    Args:
        origins: Of N slices.
        labels: Their classes. One patient in all of several examinations and classes is a word that an anonymiser put
            into each file, and nobody is told apart by it.
    """
    known = [origin for origin in origins if origin is not None]
    if len(known) < len(origins):
        return None
    people, studies = (tuple(getattr(one, what) for one in known) for what in ("person", "study"))
    one_word = len(set(people)) == 1 and len(set(studies)) > 1 and len(set(labels)) > 1
    if all(people) and not one_word:
        return ByOrigin(people)
    return ByOrigin(studies, BY_STUDY) if all(studies) else None
