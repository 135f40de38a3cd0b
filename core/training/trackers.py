"""Events for other programs' curves: TensorBoard and MLflow, where they are installed."""

import contextlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

from core.networks.backend import backend_name
from core.networks.recipe import Recipe, recipe_values

TRACKING_FOLDER, TRACKING_RUN = "mlruns", "mlflow_run.txt"
Tracker = Callable[[int, dict[str, float]], None]


def tensorboard_events(folder: Path, opened: contextlib.ExitStack) -> Tracker | None:
    """Return a writer of TensorBoard events, TensorFlow's or PyTorch's; None where TensorBoard is not installed.

    Args:
        folder: Where the events go.
        opened: Closes the writer.
    """
    if importlib.util.find_spec("tensorboard") is None:
        return None
    if backend_name() == "tensorflow":
        import tensorflow as tf

        writer = tf.summary.create_file_writer(str(folder))
        opened.callback(writer.close)

        def write(epoch: int, figures: dict[str, float]) -> None:
            with writer.as_default(step=epoch):
                for name, value in figures.items():
                    tf.summary.scalar(name, value)
            writer.flush()

        return write
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    torch_writer = SummaryWriter(str(folder))
    opened.callback(torch_writer.close)

    def write_with_torch(epoch: int, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            torch_writer.add_scalar(name, value, epoch)
        torch_writer.flush()

    return write_with_torch


def mlflow_tracking(folder: Path, recipe: Recipe, opened: contextlib.ExitStack) -> Tracker | None:
    """Return a tracker with MLflow; None where it is not installed. A resumed run goes on with its own MLflow run.

    Args:
        folder: The run's folder, where it is tracked unless MLFLOW_TRACKING_URI says where.
        recipe: Its plain settings become parameters.
        opened: Ends the run.
    """
    try:
        mlflow = importlib.import_module("mlflow")
    except ImportError:
        return None
    if "MLFLOW_TRACKING_URI" not in os.environ:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        mlflow.set_tracking_uri((folder / TRACKING_FOLDER).resolve().as_uri())
    mlflow.set_experiment("stagelens")
    known = folder / TRACKING_RUN
    run_id = known.read_text(encoding="utf-8") if known.exists() else None
    run = mlflow.start_run(run_id=run_id, run_name=recipe.name)
    opened.callback(mlflow.end_run)
    if run_id is None:
        known.write_text(run.info.run_id, encoding="utf-8")
        plain = {name: value for name, value in recipe_values(recipe).items() if not isinstance(value, dict | list)}
        mlflow.log_params(plain)
    return lambda epoch, figures: mlflow.log_metrics(figures, step=epoch)
