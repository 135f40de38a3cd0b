"""Everything StageLens refuses to do, as one tree.

StageLensError
├── ScanError            bytes that are no scan we can read
│   ├── ChoiceNeeded     several pages, volumes or series, and none was chosen
│   └── NoHead           a volume that could not be brought into standard space
├── CohortError          a folder, a table or a split that does not hold together
├── RecipeError          a training recipe with an unknown, missing or impossible value
├── WeightsError         start weights that cannot be had or do not fit
├── BundleError          a trained network on disk that is incomplete, damaged or unknown
├── TrainingError        a run that cannot start or go on
│   └── Stopped          a run that somebody asked to stop; it can be resumed
├── OutOfDistribution    a scan unlike those a network was trained on, where an answer was asked for
└── EmptyHeatmap         an explanation without any positive evidence, where one had to be drawn

Pages and the command line catch the root and show its sentence, which is always one line.
"""


class StageLensError(Exception):
    """Root of every error that is meant to be read by a person."""


class ScanError(StageLensError):
    """The bytes given are not a scan that can be read; says what came and what is accepted."""


class ChoiceNeeded(ScanError):
    """What was given holds several scans and the caller must choose one.

    Attributes:
        choices: One short description each; they are counted from 1.
    """

    def __init__(self, message: str, choices: tuple[str, ...]) -> None:
        super().__init__(message)
        self.choices = choices


class NoHead(ScanError):
    """A volume could not be brought into standard space, so nothing is said about it."""


class CohortError(StageLensError):
    """A folder of scans, a table of them, or a split cannot be used as asked."""


class RecipeError(StageLensError):
    """A recipe is not valid; says which key and what was expected."""


class WeightsError(StageLensError):
    """Start weights could not be obtained, or do not fit the network."""


class BundleError(StageLensError):
    """A bundle is missing, incomplete or damaged."""


class TrainingError(StageLensError):
    """A training run cannot start or continue."""


class Stopped(TrainingError):
    """Somebody asked a run to stop."""


class OutOfDistribution(StageLensError):
    """The scan does not look like what the network was trained on, so that its answer means nothing."""


class EmptyHeatmap(StageLensError):
    """The heatmap holds no positive evidence, so there is nothing to draw."""
