"""How long an evaluation of given predictions takes, compared with scikit-learn's metrics in a loop.

    python benchmarks/evaluation.py [--rounds 3]

6,400 slices of 200 people, four classes; everything that `stagelens evaluate RUN --people TABLE` measures, by slice and
by subject, each with 2,000 resamples of the people. The floor is reading every label and score once per resample. The
peer is the same set of metrics by scikit-learn for a few resamples, with its time extrapolated to 2,000. Medians of
interleaved rounds.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn import metrics

from core.cohorts.tasks import ALZHEIMER
from core.evaluation.bootstrap import REPLICATES
from core.evaluation.confounders import SubjectFacts
from core.evaluation.evaluation import evaluate
from core.evaluation.metrics import slice_metrics, subject_metrics
from core.evaluation.predictions import Predictions
from core.evaluation.scored import scored_table
from core.networks.recipe_files import read_recipe

PEOPLE, SLICES, ROUNDS, PEER_REPLICATES = 200, 32, 3, 5


def an_evaluation() -> tuple[Predictions, SubjectFacts]:
    """Make synthetic predictions for the Alzheimer set's people, all tested, with as many again for validation."""
    rng, tables = np.random.default_rng(0), []
    for part in ("val", "test"):
        stage = np.repeat(rng.choice(4, PEOPLE, p=[0.5, 0.35, 0.14, 0.01]), SLICES)
        subjects = np.repeat([f"{part}{person}" for person in range(PEOPLE)], SLICES)
        table = pd.DataFrame(
            {
                "path": [f"/{part}/{row}.png" for row in range(len(stage))],
                "label": np.array(ALZHEIMER.classes)[stage],
                "subject": subjects,
                "part": part,
                "slice": np.tile(np.arange(SLICES), PEOPLE),
            }
        )
        logits = np.eye(4)[stage] + rng.normal(size=(len(stage), 4))
        for index, name in enumerate(ALZHEIMER.classes):
            table[f"logit {name}"] = logits[:, index]
        tables.append(table)
    together = pd.concat(tables, ignore_index=True)
    ages = together.drop_duplicates("subject")[["subject"]].assign(age=lambda rows: rng.uniform(40, 95, len(rows)))
    people = SubjectFacts(ages.reset_index(drop=True))
    return Predictions("benchmark", "benchmark", read_recipe("s1_resnet50"), "test", folds=[together]), people


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def by_scikit_learn(labels: np.ndarray, scores: np.ndarray, people: np.ndarray, replicates: int) -> None:
    """Measure what `slice_metrics` measures in a loop over resamples of people."""
    rng, rows = np.random.default_rng(0), [np.flatnonzero(people == person) for person in range(PEOPLE)]
    for _ in range(replicates):
        drawn = np.concatenate([rows[person] for person in rng.integers(0, PEOPLE, PEOPLE)])
        truth, probabilities = labels[drawn], scores[drawn]
        predicted = probabilities.argmax(axis=1)
        metrics.accuracy_score(truth, predicted)
        metrics.balanced_accuracy_score(truth, predicted)
        metrics.precision_recall_fscore_support(truth, predicted, zero_division=0)
        metrics.multilabel_confusion_matrix(truth, predicted)
        metrics.cohen_kappa_score(truth, predicted, weights="quadratic")
        metrics.log_loss(truth, probabilities, labels=range(4))
        for index in range(4):
            if len(set(truth == index)) == 2:
                metrics.roc_auc_score(truth == index, probabilities[:, index])
        metrics.roc_auc_score(truth > 0, 1 - probabilities[:, 0])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    predictions, people = an_evaluation()
    rows = predictions.asked
    scored = scored_table(rows, predictions.recipe)
    labels, numbers = scored.labels, scored.people
    scores = softmax(scored.logits.astype(np.float64), axis=1)

    def floor() -> None:
        for _ in range(REPLICATES):
            scores.sum()
            labels.sum()

    works: dict[str, Callable[[], object]] = {
        "everything, as `stagelens evaluate --people`": lambda: evaluate(predictions, people),
        "metrics by slice": lambda: slice_metrics(scored),
        "metrics by subject": lambda: subject_metrics(scored),
        "floor: every label and score read once per resample": floor,
        f"scikit-learn, metrics by slice, {PEER_REPLICATES} resamples": lambda: by_scikit_learn(
            labels, scores, numbers, PEER_REPLICATES
        ),
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(timed(work))
    print(f"{len(rows):,} slices of {PEOPLE} people, {REPLICATES:,} resamples; medians of {rounds} rounds")
    for name, seconds in taken.items():
        print(f"  {name:<56}{statistics.median(seconds):8.2f} s")
    ours = statistics.median(taken["metrics by slice"])
    peer = statistics.median(next(reversed(taken.values()))) * REPLICATES / PEER_REPLICATES
    print(f"  scikit-learn for {REPLICATES:,} resamples, extrapolated: {peer:.0f} s, {peer / ours:.0f} times as long")


if __name__ == "__main__":
    main()
