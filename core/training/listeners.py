"""Who is informed of a training's progress: a shell, a run folder, trackers, or nobody."""

from collections.abc import Mapping
from typing import Protocol


class TrainingListener(Protocol):
    """Is informed of a training's progress. If it raises, the training ends, and can be resumed."""

    def say(self, sentence: str) -> None:
        """Receive a sentence about what the training does next."""
        ...

    def epoch_begins(self, title: str, batches: int) -> None:
        """Receive the title of an epoch, such as "phase 2, epoch 3", and its number of batches."""
        ...

    def batch_ends(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Receive the number of a batch, from 1, and the running accuracy and loss of the training scans."""
        ...

    def epoch_ends(self, phase: int, row: Mapping[str, float]) -> None:
        """Receive an epoch's row of the log, with training and validation."""
        ...


class Silent:
    """Ignores everything; also a base class for listeners that need only some of the events."""

    def say(self, sentence: str) -> None:
        """Ignore it."""

    def epoch_begins(self, title: str, batches: int) -> None:
        """Ignore it."""

    def batch_ends(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Ignore it."""

    def epoch_ends(self, phase: int, row: Mapping[str, float]) -> None:
        """Ignore it."""


class Together:
    """Informs several listeners, one after the other."""

    def __init__(self, *listeners: TrainingListener) -> None:
        self._listeners = listeners

    def say(self, sentence: str) -> None:
        """Inform every listener."""
        for listener in self._listeners:
            listener.say(sentence)

    def epoch_begins(self, title: str, batches: int) -> None:
        """Inform every listener."""
        for listener in self._listeners:
            listener.epoch_begins(title, batches)

    def batch_ends(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Inform every listener."""
        for listener in self._listeners:
            listener.batch_ends(batch, metrics)

    def epoch_ends(self, phase: int, row: Mapping[str, float]) -> None:
        """Inform every listener."""
        for listener in self._listeners:
            listener.epoch_ends(phase, row)


SILENT = Silent()
