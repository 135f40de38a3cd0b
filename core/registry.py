"""A registry is a package in which every module exports one frozen record; packages within it only group them.

Adding a file adds a reader, a layout or an explanation method; nothing else has to be edited.
"""

import importlib
import pkgutil
from typing import Protocol, TypeVar


class Record(Protocol):
    """What every registry record has: a unique name and a priority (lower comes first)."""

    @property
    def name(self) -> str:
        """Unique in its registry."""
        ...

    @property
    def priority(self) -> int:
        """Lower comes first."""
        ...


R = TypeVar("R", bound=Record)


def collect(package: str, attribute: str, kind: type[R]) -> tuple[R, ...]:
    """Import every module of `package`, and of the packages within it, and gather its record.

    Args:
        package: Dotted name of the package whose modules are the entries.
        attribute: Name under which each module exports its record, such as "READER".
        kind: The class each record must be an instance of.

    Returns:
        The records, by priority and then by name.

    Raises:
        TypeError: A module exports no record of that kind.
        ValueError: Two modules export the same name.
    """
    folder = importlib.import_module(package).__path__
    records: dict[str, R] = {}
    for module_info in pkgutil.walk_packages(folder, f"{package}."):
        if module_info.ispkg:
            continue
        module = importlib.import_module(module_info.name)
        record = getattr(module, attribute, None)
        if not isinstance(record, kind):
            raise TypeError(f"{module.__name__} exports no {attribute}. Received: {record!r}")
        if record.name in records:
            raise ValueError(f"two entries of {package} are called {record.name!r}")
        records[record.name] = record
    return tuple(sorted(records.values(), key=lambda record: (record.priority, record.name)))
