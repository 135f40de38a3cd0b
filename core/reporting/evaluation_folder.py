"""An evaluation as files: for spreadsheets, for programs, and for people."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from scipy.special import softmax

from core.errors import StageLensError, why_refused
from core.evaluation.confounders import SubjectFacts
from core.evaluation.evaluation import Evaluation
from core.evaluation.predictions import Predictions
from core.evaluation.scored import scored_table
from core.files import write_json, write_table
from core.reporting.class_report import class_report
from core.reporting.evaluation_report import write_report
from core.results import Metrics


def save_evaluation(
    predictions: Predictions,
    out: Path,
    people: SubjectFacts | None = None,
    *,
    coverage: float = 0.9,
    beside: Sequence[Predictions] = (),
) -> tuple[Evaluation, dict[str, Path]]:
    """Measure what a network said, and write all of it to a folder.

    Args:
        predictions: What it said.
        out: Folder, made if need be.
        people: What is known of the people; None for nothing.
        coverage: Nominal, of the prediction sets.
        beside: Other networks, as for `core.evaluation.evaluation.evaluate`.

    Returns:
        What was measured, and the files: "report" (HTML), "evaluation" (JSON, every number), "predictions" (CSV, a row
        a scan of the part that is measured: label, answer, and the softmax of each class, which is not calibrated), and
        for each way of counting the classification report and the confusion matrix (CSV, truth in rows).

    Raises:
        StageLensError: The folder cannot be written; and as raised by `evaluate`.
    """
    files = {
        "report": out / "report.html",
        "evaluation": out / "evaluation.json",
        "predictions": out / "predictions.csv",
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        found = write_report(predictions, files["report"], people, coverage=coverage, beside=beside)
        write_json(files["evaluation"], found.as_dict())
        write_table(files["predictions"], answers_table(predictions))
        for unit, metrics in found.by_unit.items():
            for what, table in (("classes", class_report(metrics)), ("confusion", confusion_table(metrics))):
                path = files[f"{what} {unit}"] = out / f"{what}-{unit.replace(' ', '-')}.csv"
                write_table(path, table)
    except OSError as error:
        raise StageLensError(f"{out} cannot be written: {why_refused(error)}.") from error
    return found, files


def answers_table(predictions: Predictions) -> pd.DataFrame:
    """Return a row a scan of the part that is measured: path, subject, slice, label, answer, softmax of each class."""
    asked, classes = predictions.asked, predictions.recipe.classes
    logits = scored_table(asked, predictions.recipe).logits.astype(float)
    known = [name for name in ("path", "subject", "slice", "label") if name in asked]
    table = asked[known].assign(answer=[classes[one] for one in logits.argmax(axis=1)])
    return table.join(pd.DataFrame(softmax(logits, axis=1), columns=[f"softmax {name}" for name in classes]))


def confusion_table(metrics: Metrics) -> pd.DataFrame:
    """Return the confusion matrix with its names: the truth in rows, answers in columns."""
    table = pd.DataFrame(metrics.confusion, columns=list(metrics.classes))
    table.insert(0, "truth", metrics.classes)
    return table
