"""Lists and counts in sentences, the same way in every room."""

from collections.abc import Callable, Sequence


def either(names: Sequence[str], last_word: str = "or") -> str:
    """Join names with commas and a last "or", or another word.

    >>> either(["Very Mild", "Mild"])
    'Very Mild or Mild'
    """
    *others, last = names
    return f"{', '.join(others)} {last_word} {last}" if others else last


def first_free(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return a name, or the first of "name_2", "name_3", … that is not taken.

    >>> first_free("a", {"a", "a_2"}.__contains__), first_free("b", {"a"}.__contains__)
    ('a_3', 'b')
    """
    free, number = name, 2
    while is_taken(free):
        free, number = f"{name}_{number}", number + 1
    return free


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
