"""Who is told how a training goes: a shell, a run folder, trackers, or nobody."""

from collections.abc import Mapping
from typing import Protocol


class TrainingListener(Protocol):
    """Is told what a training does. What it raises ends the training, which can be resumed."""

    def say(self, sentence: str) -> None:
        """Take note of what the training turns to."""
        ...

    def epoch_begins(self, title: str, batches: int) -> None:
        """Take note of an epoch, such as "phase 2, epoch 3", and of its number of batches."""
        ...

    def batch_ends(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Take note of a batch, counted from 1, and of the running accuracy and loss of the training scans."""
        ...

    def epoch_ends(self, phase: int, row: Mapping[str, float]) -> None:
        """Take note of the log's row of an epoch: training and validation."""
        ...


class Silent:
    """Tells nobody; also a base for listeners that care for some of it."""

    def say(self, sentence: str) -> None:
        """Ignore it."""

    def epoch_begins(self, title: str, batches: int) -> None:
        """Ignore it."""

    def batch_ends(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Ignore it."""

    def epoch_ends(self, phase: int, row: Mapping[str, float]) -> None:
        """Ignore it."""


class Together:
    """Tells several listeners, one after the other."""

    def __init__(self, *listeners: TrainingListener) -> None:
        self._listeners = listeners

    def say(self, sentence: str) -> None:
        """Tell everybody."""
        for listener in self._listeners:
            listener.say(sentence)

    def epoch_begins(self, title: str, batches: int) -> None:
        """Tell everybody."""
        for listener in self._listeners:
            listener.epoch_begins(title, batches)

    def batch_ends(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Tell everybody."""
        for listener in self._listeners:
            listener.batch_ends(batch, metrics)

    def epoch_ends(self, phase: int, row: Mapping[str, float]) -> None:
        """Tell everybody."""
        for listener in self._listeners:
            listener.epoch_ends(phase, row)


SILENT = Silent()
