"""Cross-validation by subject: every fold a run of its own that can be resumed, and the summary of all."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic.dataclasses import dataclass

from core.cohorts.folds import Fold, folds_by_subject
from core.cohorts.split import split_hash
from core.errors import TrainingError
from core.evaluation.metrics import metrics_of
from core.evaluation.scored import Scored, scored_table, subject_numbers
from core.evaluation.threshold import best_threshold, decide, impaired_score
from core.files import write_json, write_table
from core.networks.recipe import Recipe
from core.results import STRICT, FoldsSummary, Impaired, RepeatMetrics, Spread
from core.runs.folder import is_finished, predictions_table
from core.runs.request import claim, requested
from core.training.listeners import SILENT, TrainingListener
from core.workflows.reported_run import run_reported
from core.workflows.train import Request, finished_outcome, for_its_split

SUMMARY_FILE = "folds.json"
HEADLINE = ("accuracy", "balanced_accuracy", "auc")


@dataclass(frozen=True, config=STRICT)
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
    request: Request, table: pd.DataFrame, how: CrossValidation, *, listener: TrainingListener = SILENT
) -> FoldsSummary:
    """Train and test every fold that is not finished, and sum up those that are.

    Args:
        request: As for one training; its split table is not used, and `out` holds a run folder a fold.
        table: Who there is: an audit's or a split's table.
        how: How people are divided.
        listener: Told how it goes.

    Returns:
        The summary, also in folds.json.

    Raises:
        TrainingError: There is no fold of the name given, or the folder holds folds that were asked for otherwise.
        StageLensError: As raised by the rooms below.
    """
    folds = list(folds_by_subject(table, folds=how.folds, repeats=how.repeats, seed=how.seed))
    request = for_its_split(request, table)
    wanted = [fold for fold in folds if how.fold in {None, fold.name}]
    if not wanted:
        raise TrainingError(f"there is no fold {how.fold}; they are called {folds[0].name} to {folds[-1].name}.")
    cut = {"folds": how.folds, "seed": how.seed, "split_hash": split_hash(folds[0].split)}
    claim(request.out, requested(request.recipe, request.weights, **cut))
    for fold in wanted:
        own = _request_of(request, fold)
        if finished_outcome(own) is None:
            listener.say(f"{fold.name} of {how.repeats} x {how.folds}")
            run_reported(own, listener=listener)
    summary = summarise(request.recipe, request.out, folds)
    write_json(request.out / SUMMARY_FILE, summary.as_dict())
    return summary


def summarise(recipe: Recipe, out: Path, folds: Sequence[Fold]) -> FoldsSummary:
    """Sum up the folds that are finished."""
    done = [fold for fold in folds if is_finished(out / fold.name)]
    repeats, per_fold, impaired = [], [], []
    for repeat in sorted({fold.repeat for fold in done}):
        tables = [predictions_table(out / fold.name) for fold in done if fold.repeat == repeat]
        tested = [table[table["part"] == "test"] for table in tables]
        metrics = metrics_of(scored_table(pd.concat(tested), recipe))
        missing = [fold for fold in folds if fold.repeat == repeat and fold not in done]
        repeats.append(RepeatMetrics(repeat, *metrics, untested=sum(_tested_by(fold) for fold in missing)))
        for table in tested:
            by_slice, by_subject = metrics_of(scored_table(table, recipe))
            per_fold.append(by_subject or by_slice)
        if recipe.as_task().decides:
            impaired.append(_impaired(tables, recipe))
    values = {name: [metrics[name].value for metrics in per_fold if metrics[name].defined] for name in HEADLINE}
    return FoldsSummary(
        recipe=recipe.name,
        finished=tuple(fold.name for fold in done),
        wanted=tuple(fold.name for fold in folds),
        repeats=tuple(repeats),
        per_fold={
            name: Spread(float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else None)
            for name, found in values.items()
            if found
        },
        impaired=tuple(impaired),
    )


def _tested_by(fold: Fold) -> int:
    """Return how many people a fold tests, or slices where people are not known."""
    return len(set(subject_numbers(fold.split.loc[fold.split["part"] == "test", "subject"].to_numpy(str))))


def _request_of(request: Request, fold: Fold) -> Request:
    """Return the request of one fold, its split table written."""
    table = request.out / f"{fold.name}.csv"
    write_table(table, fold.split)
    embeddings = request.embeddings or request.out / "embeddings"
    return replace(request, split_table=table, out=request.out / fold.name, resume=True, embeddings=embeddings)


def _impaired(tables: Sequence[pd.DataFrame], recipe: Recipe) -> Impaired:
    scores, truth, thresholds = [], [], []
    for table in tables:
        val, test = (_scores(scored_table(table[table["part"] == part], recipe)) for part in ("val", "test"))
        thresholds.append(best_threshold(*val))
        scores.append(test[0])
        truth.append(test[1])
    each = np.repeat(thresholds, [len(own) for own in scores])
    return Impaired(decide(np.concatenate(scores), np.concatenate(truth), each), tuple(thresholds))


def _scores(scored: Scored) -> tuple[np.ndarray, np.ndarray]:
    """Return each person's score, and whether they are impaired."""
    labels, logits = scored.by_subject()
    positives = scored.task.positives
    return impaired_score(logits, positives), np.array(positives)[labels]
