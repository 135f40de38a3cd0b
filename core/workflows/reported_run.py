"""One training as the command line and the pages run it: its turn on the device, its status, and its records: recipe,
environment, curves, and events for TensorBoard and MLflow.
"""

import contextlib
import importlib.metadata
import os
import platform
from collections.abc import Callable
from typing import Any

from core.files import write_json
from core.networks.backend import backend_name
from core.networks.devices import device_title, devices
from core.reporting.plots.training import learning_curves
from core.runs.folder import RECIPE_FILE, read_logs, write_recipe
from core.runs.jobs import Reporter, turn_on
from core.training.phases import Step
from core.training.trackers import Tracker, mlflow_tracking, tensorboard_events
from core.training.train import TrainingConfig
from core.workflows.train import Outcome, Request, run_training

ENVIRONMENT_FILE, CURVES_FILE = "environment.json", "learning_curves.html"
EVENTS_FOLDER = "tensorboard"


def run_reported(
    request: Request, *, step: Step = lambda *_: None, say: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Train as `run_training` does, when the device is free, with status and records in the run folder.

    Args:
        request: What to train and where.
        step: Called after every batch.
        say: Called with a sentence at each turn.

    Raises:
        Stopped: Somebody put a file "stop" into the run folder; the run can be resumed.
        StageLensError: As raised by `run_training`.
    """
    device = device_title()
    epochs = sum(phase.epochs for phase in request.recipe.phases)
    with Reporter(request.out, device=device, epochs=epochs) as reporter, RunRecords(request) as records:

        def tell(sentence: str) -> None:
            reporter.say(sentence)
            say(sentence)

        def move(title: str, batch: int, batches: int, metrics: dict[str, float]) -> None:
            step(title, batch, batches, metrics)
            reporter.step(title, batch, batches, metrics)

        with turn_on(device, reporter, tell):
            return run_training(request, step=move, say=tell, record=records.record)


class RunRecords:
    """Writes the records of one run; use it as a context, and give `record` to the training."""

    def __init__(self, order: TrainingConfig) -> None:
        self._folder, self._recipe = order.out, order.recipe
        self._opened = contextlib.ExitStack()
        self._trackers: list[Tracker] | None = None

    def __enter__(self) -> "RunRecords":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._trackers is None:  # a run without epochs
            self._keep()
        self._opened.close()

    def record(self, phase: int, row: dict[str, float]) -> None:
        """Keep the figures of one epoch."""
        if self._trackers is None:
            self._trackers = self._begin()
        epochs = read_logs(self._folder)
        learning_curves(epochs).write_html(self._folder / CURVES_FILE, include_plotlyjs="directory")
        metrics = {name: float(value) for name, value in row.items() if name != "epoch"} | {"phase": float(phase)}
        for track in self._trackers:
            track(len(epochs), metrics)

    def _keep(self) -> None:
        write_recipe(self._folder / RECIPE_FILE, self._recipe)
        write_json(self._folder / ENVIRONMENT_FILE, environment_of_run())

    def _begin(self) -> list[Tracker]:
        self._keep()
        found = (
            tensorboard_events(self._folder / EVENTS_FOLDER, self._opened),
            mlflow_tracking(self._folder, self._recipe, self._opened),
        )
        return [tracker for tracker in found if tracker is not None]


def environment_of_run() -> dict[str, Any]:
    """Return what a run was made with: Python, system, backend, devices, and every package's version."""
    packages = {str(found.metadata["Name"]): found.version for found in importlib.metadata.distributions()}
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "backend": backend_name(),
        "device": device_title(),
        "devices": devices(),
        "packages": dict(sorted(packages.items())),
    }
