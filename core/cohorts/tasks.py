"""The questions that networks answer, and how folders spell the classes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from core.errors import CohortError


@dataclass(frozen=True)
class Task:
    """A classification task.

    Attributes:
        name: Short name, used in recipes.
        title: The question in words.
        classes: The classes, in the order of the network's outputs.
        synonyms: Other spellings (letters and digits only, lower case) of each class.
        ordered: Whether the classes are stages, the healthy one first.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    synonyms: tuple[tuple[str, ...], ...]
    ordered: bool = False

    def class_of(self, spelling: str) -> str | None:
        """Return the class that a folder name stands for, ignoring spaces, underscores and case; None for no match."""
        plain = _plain(spelling)
        for class_name, others in zip(self.classes, self.synonyms, strict=True):
            if plain == _plain(class_name) or plain in others:
                return class_name
        return None


ALZHEIMER = Task(
    "alzheimer",
    "Stage of Alzheimer's disease (CDR 0, 0.5, 1, 2)",
    ("Non Demented", "Very Mild Demented", "Mild Demented", "Moderate Demented"),
    (
        ("non", "nondementia", "cn", "cdr0"),
        ("verymild", "verymilddementia", "cdr05"),
        ("mild", "milddementia", "cdr1"),
        ("moderate", "moderatedementia", "cdr2"),
    ),
    ordered=True,
)
TUMOUR = Task(
    "tumour",
    "Kind of brain tumour",
    ("Glioma", "Meningioma", "No Tumour", "Pituitary"),
    (
        ("gliomatumor", "gliomatumour"),
        ("meningiomatumor", "meningiomatumour"),
        ("notumor", "none", "healthy"),
        ("pituitarytumor", "pituitarytumour"),
    ),
)
SYNTHETIC = Task(
    "synthetic",
    "Was this synthetic head changed?",
    ("Unchanged", "Changed"),
    ((), ()),
)
TASKS = {task.name: task for task in (ALZHEIMER, TUMOUR, SYNTHETIC)}


def task_of(spellings: Iterable[str]) -> Task:
    """Find the task that these folder names belong to.

    Args:
        spellings: Names of class folders.

    Returns:
        The matching task; if none matches all names, a task named "custom" with exactly these names, sorted.

    Raises:
        CohortError: There are no names.
    """
    names = sorted(set(spellings))
    if not names:
        raise CohortError("the folder holds no class folders; give a folder with one folder of scans per class.")
    for task in TASKS.values():
        if all(task.class_of(name) for name in names):
            return task
    return Task("custom", "Classes of this folder", tuple(names), tuple(() for _ in names))


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
