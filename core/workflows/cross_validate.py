"""Cross-validation by person: every fold a run of its own that can be resumed, and the summary of all."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.cohorts.folds import Fold, folds_by_subject
from core.errors import TrainingError
from core.evaluation.metrics import slice_metrics, subject_level, subject_metrics, subject_numbers
from core.evaluation.threshold import best_threshold, decide, impaired_score
from core.files import write_json, write_table
from core.networks.recipe import Recipe
from core.runs.folder import PREDICTIONS_FILE, logits_in
from core.runs.jobs import STATUS_FILE
from core.training.phases import Step
from core.workflows.reported_run import run_reported
from core.workflows.train import Request

SUMMARY_FILE = "folds.json"
HEADLINE = ("accuracy", "balanced_accuracy", "auc")


@dataclass(frozen=True)
class CrossValidation:
    """How to cut people into folds.

    Attributes:
        folds: Folds a repeat.
        repeats: How often everything is shuffled anew.
        seed: Of the cutting.
        fold: Only this one, such as "repeat1_fold3", so that folds can run on several machines; None for all.
    """

    folds: int
    repeats: int = 1
    seed: int = 1
    fold: str | None = None


def cross_validate(
    request: Request,
    table: pd.DataFrame,
    how: CrossValidation,
    *,
    step: Step = lambda *_: None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train and test every fold that is not finished, and sum up those that are.

    Args:
        request: As for one training; its split table is not used, and `out` holds a run folder a fold.
        table: Who there is: an audit's or a split's table.
        how: How people are cut.
        step: Called after every batch.
        say: Called with a sentence at each turn.

    Returns:
        The summary, also in folds.json; the decision threshold of each fold was chosen on its validation people.

    Raises:
        TrainingError: There is no fold of the name given.
        StageLensError: As raised by the rooms below.
    """
    folds = list(folds_by_subject(table, folds=how.folds, repeats=how.repeats, seed=how.seed))
    wanted = [fold for fold in folds if how.fold in {None, fold.name}]
    if not wanted:
        raise TrainingError(f"there is no fold {how.fold}; they are called {folds[0].name} to {folds[-1].name}.")
    for fold in wanted:
        run = request.out / fold.name
        if (run / PREDICTIONS_FILE).exists() and (run / STATUS_FILE).exists():
            continue
        say(f"{fold.name} of {how.repeats} x {how.folds}")
        _run_fold(request, fold, run, step, say)
    summary = summarise(request.recipe, request.out, folds)
    write_json(request.out / SUMMARY_FILE, summary)
    return summary


def summarise(recipe: Recipe, out: Path, folds: list[Fold]) -> dict[str, Any]:
    """Sum up the folds that are finished.

    Returns:
        `finished` and `wanted` folds; `by_subject` and `by_slice` for each repeat over everybody in it, each tested by a
        network that never saw them; `per_fold` mean and standard deviation of the headline figures; for stages
        of Alzheimer's disease `impaired`, any stage but the first against it.
    """
    done = [fold for fold in folds if (out / fold.name / PREDICTIONS_FILE).exists()]
    repeats, per_fold, decisions = [], [], []
    for repeat in sorted({fold.repeat for fold in done}):
        tables = [pd.read_csv(out / fold.name / PREDICTIONS_FILE, dtype={"subject": str}, keep_default_na=False)
                  for fold in done if fold.repeat == repeat]  # fmt: skip
        tested = pd.concat([table[table["part"] == "test"] for table in tables])
        by_subject, by_slice = (_metrics(how, tested, recipe) for how in (subject_metrics, slice_metrics))
        repeats.append({"repeat": repeat, "by_subject": by_subject, "by_slice": by_slice})
        for table in tables:
            of_fold = table[table["part"] == "test"]
            per_fold.append(_metrics(subject_metrics, of_fold, recipe) or _metrics(slice_metrics, of_fold, recipe))
        if recipe.task == "alzheimer":
            decisions.append(_impaired(tables, recipe))
    values = {name: [fold[name] for fold in per_fold if fold and fold[name] is not None] for name in HEADLINE}
    spread = {
        name: {"mean": float(np.mean(found)), "sd": float(np.std(found, ddof=1)) if len(found) > 1 else None}
        for name, found in values.items()
        if found
    }
    return {
        "recipe": recipe.name,
        "finished": [fold.name for fold in done],
        "wanted": [fold.name for fold in folds],
        "repeats": repeats,
        "per_fold": spread,
        "impaired": decisions or None,
    }


def _run_fold(request: Request, fold: Fold, run: Path, step: Step, say: Callable[[str], None]) -> None:
    request.out.mkdir(parents=True, exist_ok=True)
    table = request.out / f"{fold.name}.csv"
    write_table(table, fold.split)
    resume = (run / "run.json").exists()
    embeddings = request.embeddings or request.out / "embeddings"
    run_reported(replace(request, split_table=table, out=run, resume=resume, embeddings=embeddings), step=step, say=say)


def _metrics(how: Callable[..., Any], table: pd.DataFrame, recipe: Recipe) -> dict[str, Any] | None:
    metrics = how(*logits_in(table, recipe), table["subject"].to_numpy(str), recipe.classes,
                  ordered=recipe.as_task().ordered)  # fmt: skip
    return metrics.as_dict() if metrics is not None else None


def _impaired(tables: list[pd.DataFrame], recipe: Recipe) -> dict[str, Any]:
    """Decide for each person at the threshold that was best for the validation people of their fold."""
    scores, truth, thresholds = [], [], []
    for table in tables:
        val, test = (_people(table[table["part"] == part], recipe) for part in ("val", "test"))
        threshold = best_threshold(*val)
        scores.append(test[0])
        truth.append(test[1])
        thresholds.append(np.full(len(test[0]), threshold))
    decided = decide(np.concatenate(scores), np.concatenate(truth), np.concatenate(thresholds))
    return {**asdict(decided), "thresholds": [float(values[0]) for values in thresholds]}


def _people(table: pd.DataFrame, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Return each person's score (of the mean of their logits) and whether they are impaired."""
    people = table["subject"].where(table["subject"] != "", table["path"])
    labels, means = subject_level(*logits_in(table, recipe), subject_numbers(people.to_numpy(str)))
    return impaired_score(means), labels > 0
