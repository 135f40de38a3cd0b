"""Which items of two reporting checklists a model card answers, and where; the items are data files beside this one.

CLAIM: Tejani et al., Checklist for Artificial Intelligence in Medical Imaging, 2024 update, Radiology: Artificial
Intelligence 6:e240300. TRIPOD+AI: Collins et al., BMJ 2024;385:e078378, table 2. What a card cannot know (ethics,
funding, protocols) is listed as not answered, not left out.
"""

import functools
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Item:
    """One item.

    Attributes:
        number: As published.
        subject: What it asks for.
        sections: The sections of a model card that answer it; none for items that a card cannot answer.
    """

    number: str
    subject: str
    sections: tuple[str, ...]


@dataclass(frozen=True)
class Checklist:
    """A published checklist.

    Attributes:
        name: Its name.
        source: Where it was published.
        items: In their order.
    """

    name: str
    source: str
    items: tuple[Item, ...]

    def answered(self, sections: Collection[str]) -> list[Item]:
        """Return the items that a card with these sections answers."""
        return [item for item in self.items if set(item.sections) & set(sections)]

    def unanswered(self, sections: Collection[str]) -> list[Item]:
        """Return the items that it does not answer."""
        return [item for item in self.items if not set(item.sections) & set(sections)]


@functools.cache
def checklists() -> tuple[Checklist, ...]:
    """Read the checklists, by name."""
    found = []
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        items = tuple(Item(number, subject, tuple(sections)) for number, subject, sections in values["items"])
        found.append(Checklist(values["name"], values["source"], items))
    return tuple(found)
