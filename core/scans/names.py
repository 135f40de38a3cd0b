"""How much of a file's name may be shown."""

import re

LONGEST = 48


def display_name(file_name: str) -> str:
    """Reduce a file name to its last part, at most 48 characters and only plain ones: safe to print anywhere."""
    last = re.split(r"[\\/]", file_name)[-1]
    plain = re.sub(r"[^\w.\- ]", "_", last).lstrip(" .-=_") or "file"
    return plain if len(plain) <= LONGEST else f"{plain[:36]}…{plain[-11:]}"


def printable(text: str) -> str:
    """Write what a terminal would obey, or cannot write, as an escape: control characters, bytes that are no UTF-8."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)
