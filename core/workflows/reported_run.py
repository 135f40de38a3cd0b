"""One training as the command line and the pages run it: its turn on the device, its status, and its records: recipe,
environment, curves, and events for TensorBoard and MLflow.
"""

import contextlib
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from typing import Any

from core.cohorts.split import read_split
from core.files import write_json
from core.networks.backend import backend_name
from core.networks.devices import device_title, devices
from core.reporting.plots.training import learning_curves
from core.runs.folder import read_logs
from core.runs.status import Reporter, read_status
from core.runs.workspace import turn_on
from core.training.listeners import SILENT, Silent, Together, TrainingListener
from core.training.trackers import Tracker, mlflow_tracking, tensorboard_events
from core.training.train import TrainingConfig, check_folder
from core.workflows.train import Outcome, Request, finished_outcome, for_its_split, run_training

ENVIRONMENT_FILE, CURVES_FILE = "environment.json", "learning_curves.html"
EVENTS_FOLDER = "tensorboard"


def run_reported(request: Request, *, listener: TrainingListener = SILENT) -> Outcome:
    """Train as `run_training` does, with status and records in the run folder; a network when the device is free.

    Args:
        request: What to train and where.
        listener: Told how it goes.

    Raises:
        Stopped: Somebody put a file "stop" into the run folder; the run can be resumed.
        StageLensError: As raised by `run_training`.
    """
    given = request.recipe
    request = for_its_split(request)
    status = read_status(request.out)
    if status is not None and status.state == "finished":  # nobody but the same request may touch that
        check_folder(request, read_split(request.split_table))
        done = finished_outcome(request)
        if done is not None:
            return done
    device = device_title()
    epochs = sum(phase.epochs for phase in request.recipe.phases)
    with Reporter(request.out, device=device, epochs=epochs) as reporter, RunRecords(request) as records:
        everybody = Together(listener, reporter, records)

        def waiting(first: bool) -> None:
            reporter.check()
            if first:
                everybody.say(f"another training is at work on {device}; waiting for its end")
                reporter.change(state="queued")

        turn = turn_on(device, waiting=waiting) if request.recipe.has_network else contextlib.nullcontext()
        with turn:
            reporter.change(state="running")
            if request.recipe.classes != given.classes:
                everybody.say(f"classes of the split, not of the recipe: {', '.join(request.recipe.classes)}")
            return run_training(request, listener=everybody)


class RunRecords(Silent):
    """Writes the records of one run; a context, and a listener of its training."""

    def __init__(self, config: TrainingConfig) -> None:
        self._folder, self._recipe = config.out, config.recipe
        self._opened = contextlib.ExitStack()
        self._trackers: list[Tracker] | None = None

    def __enter__(self) -> "RunRecords":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        known = (self._folder / ENVIRONMENT_FILE).exists()  # of a run that had come to its end before
        if kind is None and self._trackers is None and not known:  # a run without epochs
            self._keep()
        self._opened.close()

    def epoch_ends(self, phase: int, row: Mapping[str, float]) -> None:
        """Keep the metrics of one epoch."""
        if self._trackers is None:
            self._trackers = self._begin()
        epochs = read_logs(self._folder)
        learning_curves(epochs).write_html(self._folder / CURVES_FILE, include_plotlyjs="directory")
        metrics = {name: float(value) for name, value in row.items() if name != "epoch"} | {"phase": float(phase)}
        for track in self._trackers:
            track(len(epochs), metrics)

    def _keep(self) -> None:
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
