"""The questions that networks answer: those known here, and any classes of one's own."""

import tomllib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tomli_w
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from core.cohorts.names.classes import DIAGNOSES, KINDS, STAGES, Synonyms, in_order, plain
from core.errors import CohortError
from core.files import write_text

if TYPE_CHECKING:
    import pandas as pd

CUSTOM = "custom"
TASK_FILE = "task.toml"
TASK_COLUMN = "task"  # of a split table
KEYS = ("classes", "ordered", "positive", "title", "synonyms")

ClassName = Annotated[str, Field(pattern=r"^[^/\\\x00-\x1f]{1,80}$")]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Task:
    """A classification task.

    Attributes:
        classes: The classes, in the order of the network's outputs.
        name: Short name, used in recipes; "custom" for classes of one's own.
        title: The question in words.
        synonyms: Other spellings of each class, compared by `core.cohorts.names.classes.plain`; may be left out.
        ordered: Whether the classes are stages, the healthy one first.
        positive: What a yes or no asks for: this class, and of stages those after it; "" for any class but the first.
    """

    classes: Annotated[tuple[ClassName, ...], Field(min_length=1, max_length=1000)]
    name: str = CUSTOM
    title: str = "Classes of this folder"
    synonyms: tuple[tuple[str, ...], ...] = ()
    ordered: bool = False
    positive: str = ""

    def __post_init__(self) -> None:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("a class is named twice")
        if self.positive and self.positive not in self.classes:
            raise ValueError(f"positive is {self.positive!r}, which is none of the classes {', '.join(self.classes)}")
        if self.synonyms and len(self.synonyms) != len(self.classes):
            raise ValueError("synonyms are given for other classes than there are")

    def class_of(self, spelling: str) -> str | None:
        """Return the class that a folder's name stands for, in whatever spelling; None for none, or for several."""
        if spelling in self.classes:
            return spelling
        wanted, others = plain(spelling), self.synonyms or ((),) * len(self.classes)
        found = [
            name
            for name, own in zip(self.classes, others, strict=True)
            if wanted and (wanted == plain(name) or wanted in map(plain, own))
        ]
        return found[0] if len(found) == 1 else None

    @property
    def positives(self) -> tuple[bool, ...]:
        """Which classes a yes stands for."""
        at = self.classes.index(self.positive) if self.positive else 1
        later = self.ordered or not self.positive
        return tuple(index == at or (later and index > at) for index in range(len(self.classes)))

    @property
    def decides(self) -> bool:
        """Whether there is a yes or no to measure: the classes are stages, or one of them is the positive one."""
        return len(self.classes) > 1 and (self.ordered or bool(self.positive)) and not all(self.positives)


def _known(name: str, title: str, table: Synonyms, *, ordered: bool = False) -> Task:
    return Task(tuple(table), name, title, synonyms=tuple(table.values()), ordered=ordered)


ALZHEIMER = _known("alzheimer", "Stage of Alzheimer's disease (CDR 0, 0.5, 1, 2)", STAGES, ordered=True)
TUMOUR = _known("tumour", "Kind of brain tumour", KINDS)
SYNTHETIC = _known("synthetic", "Was this synthetic head changed?", {"Unchanged": (), "Changed": ()})
TASKS = {task.name: task for task in (ALZHEIMER, TUMOUR, SYNTHETIC)}
DIAGNOSIS = _known(CUSTOM, "Diagnosis (cognitively normal to Alzheimer's disease)", DIAGNOSES, ordered=True)


def task_of(spellings: Iterable[str]) -> Task:
    """Find the task that these folder names belong to.

    Args:
        spellings: Names of class folders.

    Returns:
        The matching task. If none matches all names: those of the diagnoses CN, SMC, EMCI, MCI, LMCI and AD that are
        there, in this order; else a task named "custom" with exactly these names, sorted, not ordered.

    Raises:
        CohortError: There are no names.
    """
    names = set(spellings)
    if not names:
        raise CohortError("the folder holds no class folders; give a folder with one folder of scans per class.")
    for task in TASKS.values():
        if all(map(task.class_of, names)):
            return task
    present = {DIAGNOSIS.class_of(name) for name in names}
    if None not in present:
        classes = tuple(name for name in DIAGNOSES if name in present)
        others = {plain(name): DIAGNOSIS.class_of(name) for name in names} | {plain(name): None for name in classes}
        synonyms = tuple(tuple(sorted(own for own in others if others[own] == name)) for name in classes)
        return replace(DIAGNOSIS, classes=classes, synonyms=synonyms if any(synonyms) else ())
    alike: dict[str, str] = {}  # parts of one set may differ in capitals and underscores
    for name in in_order(names):
        alike.setdefault("".join(name.casefold().replace("_", " ").split()), name)
    return _checked({"classes": tuple(alike.values())}, "the names of the classes")


def task_in(folder: Path, spellings: Iterable[str]) -> Task:
    """Return the task that a cohort's task.toml describes, or the one its class names belong to.

    Args:
        folder: The cohort.
        spellings: Names of its classes.

    Raises:
        CohortError: The file is no task, or lacks one of the names.
    """
    path = folder / TASK_FILE
    if not path.is_file():
        return task_of(spellings)
    task = read_task(path)
    unknown = in_order({name for name in spellings if task.class_of(name) is None})
    if unknown:
        raise CohortError(
            f"{path} has the classes {', '.join(task.classes)}, but {folder} also holds {unknown[0]!r}; add it to "
            f"classes, or as another spelling to [synonyms], or move it out of the folder."
        )
    return task


def read_task(path: Path) -> Task:
    """Read a task from TOML: classes, and optionally ordered, positive, title and a table of synonyms.

    Raises:
        CohortError: It is not TOML, or no task.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise CohortError(f"{path} is not TOML: {str(error).splitlines()[0]}.") from error
    unknown = sorted(set(values) - set(KEYS))
    if unknown:
        raise CohortError(f"{path} has the key {unknown[0]!r}; expected {', '.join(KEYS)}.")
    given = values.pop("synonyms", {})
    names = values.get("classes")
    if not isinstance(given, dict) or not isinstance(names, list) or set(given) - set(map(str, names)):
        raise CohortError(
            f"{path}: expected classes as a list of names, and synonyms as a table from a class to a list of spellings."
        )
    if given:
        values["synonyms"] = [given.get(name, []) for name in names]
    return _checked(values, str(path))


def write_task(folder: Path, task: Task) -> None:
    """Keep classes of one's own beside the files made of them; known tasks need no file."""
    if task.name in TASKS:
        return
    values: dict[str, Any] = {"classes": list(task.classes), "ordered": task.ordered, "title": task.title}
    if task.positive:
        values["positive"] = task.positive
    own = {name: list(spellings) for name, spellings in zip(task.classes, task.synonyms, strict=False) if spellings}
    write_text(folder / TASK_FILE, tomli_w.dumps(values | ({"synonyms": own} if own else {})))


def with_task(table: "pd.DataFrame", task: Task, *, ordered: bool = False) -> "pd.DataFrame":
    """Return a table of files with its task in a column, which a split keeps.

    Args:
        table: As of an audit.
        task: Its classes.
        ordered: Whether the classes are stages, even where the task does not say so.

    Raises:
        CohortError: Known kinds, which have no order, were called ordered.
    """
    if ordered and not task.ordered:
        if task.name in TASKS:
            raise CohortError(f"{task.title}: {', '.join(task.classes)} have no order; leave out --ordered.")
        task = replace(task, ordered=True)
    text = task.name
    if task.name not in TASKS:
        text = TypeAdapter(Task).dump_json(task, exclude_defaults=True).decode()
    return table.assign(**{TASK_COLUMN: text})


def task_of_table(table: "pd.DataFrame") -> Task:
    """Return the task of a table of files or a split: what its column says, else what its labels belong to.

    Raises:
        CohortError: The column holds no task, or several.
    """
    texts = set(table[TASK_COLUMN]) if TASK_COLUMN in table else set()
    if len(texts) > 1:
        raise CohortError(f"the table's column {TASK_COLUMN} holds {len(texts)} tasks; give tables of one task.")
    text = next(iter(texts), "")
    if not text:
        return task_of(table["label"])
    if text in TASKS:
        return TASKS[text]
    try:
        return TypeAdapter(Task).validate_json(text)
    except ValidationError as error:
        raise CohortError(
            f"the table's column {TASK_COLUMN} is no task: {_first(error)}. Received: {text[:80]}"
        ) from error


def _checked(values: dict[str, Any], source: str) -> Task:
    try:
        return TypeAdapter(Task).validate_python(values)
    except ValidationError as error:
        raise CohortError(f"{source}: {_first(error)}.") from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "string_pattern_mismatch":
        message = f"a class is named by 1 to 80 letters without / and \\. Received: {first['input']!r}"
    return f"{where}: {message}" if where else message
