"""Learning curves for other programs: TensorBoard and MLflow, if they are installed."""

import contextlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

from core.files import write_text
from core.networks.backend import backend_name
from core.networks.recipe import Recipe
from core.networks.recipe_files import recipe_values

TRACKING_FOLDER, TRACKING_RUN, EXPERIMENT = "mlruns", "mlflow_run.txt", "stagelens"
Tracker = Callable[[int, dict[str, float]], None]


def tensorboard_events(folder: Path, opened: contextlib.ExitStack) -> Tracker | None:
    """Return a writer of TensorBoard events, TensorFlow's or PyTorch's; None if TensorBoard is not installed.

    Args:
        folder: Folder for the events.
        opened: Stack that closes the writer.
    """
    if importlib.util.find_spec("tensorboard") is None:
        return None
    if backend_name() == "tensorflow":
        import tensorflow as tf

        writer = tf.summary.create_file_writer(str(folder))
        opened.callback(writer.close)

        def write(epoch: int, metrics: dict[str, float]) -> None:
            with writer.as_default(step=epoch):
                for name, value in metrics.items():
                    tf.summary.scalar(name, value)
            writer.flush()

        return write
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    torch_writer = SummaryWriter(str(folder))
    opened.callback(torch_writer.close)

    def write_with_torch(epoch: int, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            torch_writer.add_scalar(name, value, epoch)
        torch_writer.flush()

    return write_with_torch


def mlflow_tracking(folder: Path, recipe: Recipe, opened: contextlib.ExitStack) -> Tracker | None:
    """Return an MLflow tracker; None if MLflow is not installed. A resumed run continues its own MLflow run.

    Args:
        folder: The run's folder, used for tracking unless MLFLOW_TRACKING_URI is set.
        recipe: Its scalar settings become parameters.
        opened: Stack that ends the MLflow run.
    """
    try:
        client_class = importlib.import_module("mlflow").MlflowClient
    except ImportError:
        return None
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = os.environ.get("MLFLOW_TRACKING_URI") or (folder / TRACKING_FOLDER).resolve().as_uri()
    client = client_class(tracking_uri=uri)
    known = folder / TRACKING_RUN
    if known.exists():
        run_id = known.read_text(encoding="utf-8")
    else:
        experiment = client.get_experiment_by_name(EXPERIMENT)
        number = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
        run_id = client.create_run(number, run_name=recipe.name).info.run_id
        write_text(known, run_id)
        for name, value in recipe_values(recipe).items():
            if not isinstance(value, dict | list):
                client.log_param(run_id, name, value)
    opened.callback(client.set_terminated, run_id)

    def track(epoch: int, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            client.log_metric(run_id, name, value, step=epoch)

    return track
