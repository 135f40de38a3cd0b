"""Every error of StageLens, as one tree.

StageLensError
├── ScanError            bytes that are not a scan we can read
│   ├── Unopened         a file or a folder that cannot be opened
│   ├── ChoiceNeeded     several pages, volumes or series, and none was chosen
│   └── NoHead           a volume that could not be aligned to standard space
├── CohortError          a folder, a table or a split that is not consistent
├── RecipeError          a training recipe with an unknown, missing or impossible value
├── WeightsError         start weights that cannot be obtained or do not fit
├── BundleError          a trained network on disk that is incomplete, damaged or unknown
├── TrainingError        a run that cannot start or continue
│   └── Stopped          a run that was asked to stop; it can be resumed
├── OutOfDistribution    a scan unlike those a network was trained on, for which a prediction was requested
└── EmptyHeatmap         an explanation without any positive evidence, of which a picture was requested

Pages and the command line catch the root and show its message, which is always one line. What the system refuses, such
as a folder that is read-only or a disk that is full, is an OSError wherever it happens; they catch it too, in one place
each, and say it as `of_files` does.
"""

import os


class StageLensError(Exception):
    """Root of every error that is meant to be read by a person."""


class ScanError(StageLensError):
    """The bytes given are not a scan that can be read; the message says what they are and what is accepted."""


class Unopened(ScanError):
    """A file or a folder cannot be opened.

    Attributes:
        path: Which.
    """

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


class ChoiceNeeded(ScanError):
    """The files given hold several scans and the caller must choose one.

    Attributes:
        choices: A short description of each; they are counted from 1.
        likely: The only one that is what the networks here read, by what the files say; None where that is not clear.
    """

    def __init__(self, message: str, choices: tuple[str, ...], likely: int | None = None) -> None:
        super().__init__(message)
        self.choices = choices
        self.likely = likely


class NoHead(ScanError):
    """A volume could not be aligned to standard space, so no prediction is made for it."""


class CohortError(StageLensError):
    """A folder of scans, a table of them, or a split cannot be used as asked."""


class RecipeError(StageLensError):
    """A recipe is not valid; the message names the key and what was expected."""


class WeightsError(StageLensError):
    """Start weights could not be obtained, or do not fit the network."""


class BundleError(StageLensError):
    """A bundle is missing, incomplete or damaged."""


class TrainingError(StageLensError):
    """A training run cannot start or continue."""


class Stopped(TrainingError):
    """A run was asked to stop."""


class OutOfDistribution(StageLensError):
    """The scan is unlike those the network was trained on, so its prediction would be meaningless."""


class EmptyHeatmap(StageLensError):
    """The heatmap contains no positive evidence, so there is nothing to draw."""


def why_refused(error: OSError) -> str:
    """Return why the system refused something, in words that follow a colon."""
    if isinstance(error, FileExistsError):  # only where a folder was to be made
        return "it is a file, and a folder is needed; give another name"
    return error.strerror or str(error) or type(error).__name__


def of_files(error: OSError) -> StageLensError:
    """Return what the system refused as an error that is meant to be read by a person: the file, and why."""
    why = why_refused(error)
    if error.filename is None:
        return StageLensError(f"a file cannot be read or written: {why}.")
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    return StageLensError(f"{shortened(name)} cannot be read or written: {why}.")


def shortened(name: str, longest: int = 200) -> str:
    """Return the beginning of a name that is too long for a line."""
    return name if len(name) <= longest else f"{name[:longest]}…"
