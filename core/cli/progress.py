"""Work seen from a shell, on standard error: bars on a terminal, lines elsewhere."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from core.words import counted

T = TypeVar("T")

SILENT = 20  # up to so many scans no progress is shown


class TrainingProgress:
    """Listens to a training and shows it: bars that move on a terminal; in a file or a pipe each line once, whole."""

    def __init__(self) -> None:
        self._has_bars = sys.stderr.isatty()
        self._title = ""
        self._console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[metrics]}"),
        )
        self._progress = Progress(*columns, console=self._console)
        self._task: TaskID | None = None
        self._metrics: dict[str, float] = {}

    def __enter__(self) -> "TrainingProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._task is not None:  # rich prints an empty line for a bar that was never begun
            self._progress.stop()

    def say(self, sentence: str) -> None:
        """Print a sentence above the bar."""
        if self._has_bars:
            self._console.print(sentence, highlight=False, markup=False)
        else:
            print(sentence, file=sys.stderr, flush=True)

    def epoch_begins(self, title: str, batches: int) -> None:
        """Begin the bar of an epoch."""
        self._title = title
        if not self._has_bars:
            return
        self._progress.start()  # not sooner: a run that cannot begin draws no bar
        self._task = self._progress.add_task(title, total=batches, metrics="")

    def batch_ends(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Move the bar."""
        self._metrics = dict(metrics)
        if self._task is not None:
            self._progress.update(self._task, completed=batch, metrics=_text(self._metrics))

    def epoch_ends(self, phase: int, row: Mapping[str, float]) -> None:
        """Put what the epoch came to on the validation part beside its bar, or all of it on a line."""
        found = {name: row[name] for name in ("val_accuracy", "val_loss") if name in row}
        text = _text(self._metrics | found)
        if self._task is not None:
            self._progress.update(self._task, metrics=text)
        else:
            self.say(f"{self._title}: {text}")


def each_shown(scans: Sequence[T]) -> Iterator[T]:
    """Yield scans, and show how many are done: a bar on a terminal, a line each tenth elsewhere."""
    if len(scans) <= SILENT:
        yield from scans
    elif sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            yield from progress.track(scans, description="scans")
    else:
        for number, scan in enumerate(scans, start=1):
            yield scan
            if number * 10 // len(scans) > (number - 1) * 10 // len(scans):
                print(f"… {number:,} of {counted(len(scans), 'scan')}", file=sys.stderr, flush=True)


def _text(metrics: Mapping[str, float]) -> str:
    """Say what each number is of: "training accuracy 0.900, validation accuracy 0.700"."""
    parts = []
    for name, value in metrics.items():
        part = "validation" if name.startswith("val_") else "training"
        parts.append(f"{part} {name.removeprefix('val_')} {value:.3f}")
    return ", ".join(parts)
