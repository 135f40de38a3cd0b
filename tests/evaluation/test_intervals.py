"""Intervals of few people: exact for fractions, wider where resampling knows little, none where it knows nothing."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from core.cohorts.tasks import SYNTHETIC, Task
from core.evaluation.bootstrap import draw_people, estimate, exact_fraction, fraction_over_people
from core.evaluation.comparison import LEAST, accuracy_difference, compare, compare_auc
from core.evaluation.conformal import least_people, set_bounds
from core.evaluation.evaluation import evaluate
from core.evaluation.metrics import slice_metrics, subject_metrics
from core.evaluation.predictions import Predictions
from core.evaluation.scored import Scored
from core.reporting.text.evaluation import comparison_text
from core.reporting.text.numbers import interval_line, percent, with_interval
from core.results import ROUGH

from ..conftest import CLASSES, tiny_recipe


def scored(labels: np.ndarray, answers: np.ndarray, *, slices: int = 1, task: Task = SYNTHETIC) -> Scored:
    """People with a truth and an answer each, the same in all their slices."""
    logits = np.eye(len(task.classes), dtype=np.float32)[answers]
    names = np.array([f"P{number:03d}" for number in range(len(labels))])
    return Scored(*(np.repeat(one, slices, axis=0) for one in (labels, logits, names)), task)


def covered(interval: Callable[[np.ndarray], tuple[float, float]], people: int, chance: float) -> float:
    """How often an interval of 16 slices of so many people, each with a chance of their own, holds the mean chance."""
    rng, cohorts = np.random.default_rng(people), 1500
    own = rng.beta(2 * chance, 2 * (1 - chance), (cohorts, people))
    found = [interval(one) for one in rng.binomial(16, own) / 16]
    return float(np.mean([low <= chance <= high for low, high in found]))


@pytest.mark.parametrize("people", [10, 20])
def test_intervals_of_few_people_hold_the_truth_as_often_as_they_say(people: int) -> None:
    draws = draw_people(people, replicates=1000)

    def plain(rates: np.ndarray) -> tuple[float, float]:
        low, high = np.quantile(draws @ rates / people, [0.025, 0.975])
        return float(low), float(high)

    def widened(rates: np.ndarray) -> tuple[float, float]:
        found = estimate(float(rates.mean()), draws @ rates / people, people=people)
        return found.low, found.high

    assert covered(plain, people, 0.6) < 0.935
    assert covered(widened, people, 0.6) >= 0.935


@pytest.mark.parametrize("people", [5, 10, 20, 40])
def test_a_fraction_of_people_has_clopper_and_pearsons_interval(people: int) -> None:
    for right in (0, 1, people // 2, people):
        hits = np.arange(people) < right
        exact = binomtest(right, people).proportion_ci(0.95, method="exact")
        found = fraction_over_people(hits, np.arange(people))
        assert (found.low, found.high) == (pytest.approx(exact.low), pytest.approx(exact.high))


@pytest.mark.parametrize("slices", [1, 16])
def test_twenty_of_twenty_right_is_no_certainty(slices: int) -> None:
    labels = np.arange(20) % 2
    one = scored(labels, labels, slices=slices)
    by_subject = subject_metrics(one)
    assert by_subject is not None
    for metrics in (slice_metrics(one), by_subject):
        accuracy = metrics["accuracy"]
        assert (accuracy.value, accuracy.high) == (1.0, 1.0)
        assert accuracy.low == pytest.approx(0.832, abs=0.001)
        recall = metrics.by_class["Changed"]["recall"]
        assert recall.low == pytest.approx(0.692, abs=0.001)  # of its ten people


def test_where_all_resamples_are_alike_a_fraction_has_width_and_anything_else_no_interval() -> None:
    labels = np.arange(20) % 2
    metrics = subject_metrics(scored(labels, labels, task=replace(SYNTHETIC, ordered=True)))
    assert metrics is not None
    for name in ("balanced_accuracy", "f1", "auc"):
        assert metrics[name].low == pytest.approx(0.832, abs=0.001)
    kappa = metrics["kappa"]
    assert kappa.value == 1
    assert not kappa.has_interval
    assert "every resample gives the same" in kappa.reason
    for said in (interval_line(kappa), with_interval(kappa), percent(kappa)):
        assert "no interval" in said
        assert "nan" not in said


def test_an_area_hangs_on_the_fewer_of_both_kinds() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [57, 3])
    logits = np.stack([np.zeros(60), rng.normal(size=60) + labels], axis=1).astype(np.float32)
    names = np.array([str(number) for number in range(60)])
    few = slice_metrics(Scored(labels, logits, names, SYNTHETIC)).by_class["Changed"]["auc"]
    draws = draw_people(60)
    from core.evaluation.bootstrap import weighted_auc

    plain = estimate(few.value, weighted_auc(labels == 1, logits[:, 1], draws))
    assert few.high - few.low > plain.high - plain.low


@pytest.mark.parametrize(("people", "rough"), [(ROUGH - 1, True), (ROUGH, False)])
def test_too_few_people_are_said_to_be_too_few(people: int, *, rough: bool) -> None:
    labels = np.arange(people) % 2
    notes = slice_metrics(scored(labels, labels[::-1])).notes
    assert any(f"Only {people} people" in note for note in notes) == rough


@pytest.mark.parametrize("positives", range(1, LEAST))
def test_a_test_of_a_few_positives_is_not_possible_and_says_why(positives: int) -> None:
    rng = np.random.default_rng(positives)
    positive = np.arange(40) < positives
    for truth in (positive, ~positive):
        found = compare_auc(truth, rng.normal(size=40), rng.normal(size=40))
        assert np.isnan(found.p)
        assert np.isnan(found.z)
        assert not found.difference.has_interval
        assert f"{LEAST} people of each kind" in found.impossible


def test_delongs_test_finds_no_more_differences_than_it_may_where_it_is_made() -> None:
    rng, found, tries = np.random.default_rng(5), 0, 2000
    for _ in range(tries):
        positive = np.arange(40) < LEAST
        shared = rng.normal(size=40) + positive
        pair = (shared + rng.normal(size=40) for _ in range(2))
        found += compare_auc(positive, *pair).p < 0.05
    assert found / tries < 0.085


def run_of(rng: np.random.Generator, *, impaired: int) -> Predictions:
    """A network's test of 40 people, of whom so many are impaired."""
    labels = [CLASSES[int(number < impaired)] for number in range(40)]
    rows = pd.DataFrame({"path": [f"{number}.png" for number in range(40)], "label": labels})
    rows = rows.assign(subject=[f"P{number:03d}" for number in range(40)], part="test", slice="")
    logits = pd.DataFrame(rng.normal(size=(40, 4)), columns=[f"logit {name}" for name in CLASSES])
    return Predictions("one", "One", tiny_recipe(), "test", [rows.join(logits)])


@pytest.mark.parametrize(("impaired", "possible"), [(2, False), (20, True)])
def test_a_comparison_says_whether_its_test_was_possible(impaired: int, *, possible: bool) -> None:
    rng = np.random.default_rng(3)
    text = comparison_text(compare(run_of(rng, impaired=impaired), run_of(rng, impaired=impaired)))
    assert ("DeLong, impaired or not: p = " in text) == possible
    assert ("DeLong's test, impaired or not, is not possible: it needs" in text) != possible
    assert "nan" not in text


def test_two_networks_that_nobody_told_apart_may_still_differ() -> None:
    right = np.arange(20) % 2 == 0
    same = accuracy_difference(right, right, np.arange(20))
    assert same.value == 0
    assert same.high == -same.low == pytest.approx(exact_fraction(np.zeros(20, bool)).high)
    apart = accuracy_difference(np.ones(20, bool), np.zeros(20, bool), np.arange(20))
    assert (apart.value, apart.high) == (1.0, 1.0)
    assert apart.low == pytest.approx(1 - 2 * same.high)


@pytest.mark.parametrize(("coverage", "least"), [(0.9, 9), (0.8, 4), (0.75, 3), (0.95, 19)])
def test_the_least_number_of_people_for_a_bound_is_not_lost_to_rounding(coverage: float, least: int) -> None:
    rng = np.random.default_rng(0)
    first = rng.uniform(0.2, 0.9, least)
    known, labels = np.stack([first, 1 - first], axis=1), np.zeros(least, int)
    bounds, _ = set_bounds(known, labels, coverage=coverage)
    assert bounds[0] == pytest.approx((1 - first).max())
    assert set_bounds(known[1:], labels[1:], coverage=coverage)[0][0] == 1
    assert least_people(coverage) == 2 * least


def predictions_of(rows: pd.DataFrame) -> Predictions:
    rng = np.random.default_rng(1)
    logits = pd.DataFrame(rng.normal(size=(len(rows), 4)), columns=[f"logit {name}" for name in CLASSES])
    return Predictions("one", "One", tiny_recipe(), "test", [rows.join(logits)])


def test_a_run_is_calibrated_only_where_nobody_is_in_two_parts() -> None:
    parts = np.repeat(["train", "val", "test"], 40)
    people = [f"P{number:03d}" for number in range(120)]
    rows = pd.DataFrame({"path": people, "label": np.resize(CLASSES, 120), "subject": people, "part": parts})
    apart = evaluate(predictions_of(rows.assign(slice="")))
    assert apart.calibration is not None
    assert apart.prediction_sets is not None
    for one, other in ((0, 60), (60, 100), (0, 100)):  # train and val, val and test, train and test
        torn = rows.assign(slice="")
        torn.loc[other, "subject"] = torn.loc[one, "subject"]
        found = evaluate(predictions_of(torn))
        assert (found.calibration, found.prediction_sets) == (None, None)
    unknown = evaluate(replace(predictions_of(rows.assign(slice="", subject=""))))
    assert unknown.calibration is None
