"""Lists and counts in sentences, the same way in every room."""

from collections.abc import Sequence


def either(names: Sequence[str]) -> str:
    """Join names with commas and a last "or".

    >>> either(["Very Mild", "Mild"])
    'Very Mild or Mild'
    """
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def people(count: int) -> str:
    """Write a number of people.

    >>> people(1), people(1200)
    ('1 person', '1,200 people')
    """
    return "1 person" if count == 1 else f"{count:,} people"
