"""Training seen from a shell: one bar an epoch, on standard error."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class TrainingProgress:
    """A progress bar that takes the training's `step` and `say`."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[metrics]}"),
        )
        self._progress = Progress(*columns, console=self._console)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "TrainingProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._tasks:  # rich prints an empty line for a bar that was never begun
            self._progress.stop()

    def say(self, sentence: str) -> None:
        """Print a sentence above the bar."""
        self._console.print(sentence, highlight=False)

    def step(self, title: str, batch: int, n_batches: int, metrics: dict[str, float]) -> None:
        """Move the bar of an epoch."""
        self._progress.start()  # not sooner: a run that cannot begin draws no bar
        if title not in self._tasks:
            self._tasks[title] = self._progress.add_task(title, total=n_batches, metrics="")
        shown = ", ".join(f"{name} {value:.3f}" for name, value in metrics.items())
        self._progress.update(self._tasks[title], completed=batch, metrics=shown)
