"""Lists and counts in sentences, the same way in every room."""

from collections.abc import Sequence


def either(names: Sequence[str], last_word: str = "or") -> str:
    """Join names with commas and a last "or", or another word.

    >>> either(["Very Mild", "Mild"])
    'Very Mild or Mild'
    """
    *others, last = names
    return f"{', '.join(others)} {last_word} {last}" if others else last


def counted(count: int, one: str, several: str = "") -> str:
    """Write a number of things; several are called like one with an s, if no other word is given.

    >>> counted(1, "fold"), counted(1200, "file"), counted(2, "copy", "copies")
    ('1 fold', '1,200 files', '2 copies')
    """
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def people(count: int) -> str:
    """Write a number of people.

    >>> people(1), people(1200)
    ('1 person', '1,200 people')
    """
    return counted(count, "person", "people")
