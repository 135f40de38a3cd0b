import cv2
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.cohorts.synthetic.cohort import synthetic_slices
from core.cohorts.tasks import SYNTHETIC
from core.evaluation.conformal import (
    exact_fraction,
    least_people,
    measured_sets,
    prediction_sets,
    set_bounds,
    set_bounds_of_slices,
)
from core.evaluation.scored import subject_level
from core.networks.inference.prediction import prediction_set


def people(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of people and the classes drawn from them; the last class is rare."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(n, 4)) - np.array([0, 0, 0, 5])
    truth = softmax(logits, axis=1)
    labels = (rng.random((n, 1)) > truth.cumsum(axis=1)).sum(axis=1)
    return softmax(2 * logits, axis=1), labels  # too sure of itself, which sets do not mind


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_the_truth_is_in_the_set_as_often_as_promised(coverage: float) -> None:
    found, sizes = [], []
    for seed in range(20):
        probabilities, labels = people(seed, 600)
        sets, _ = prediction_sets(probabilities[:200], labels[:200], probabilities[200:], coverage=coverage)
        measured = measured_sets(sets, labels[200:], "abcd", nominal=coverage)
        assert measured.coverage.low <= measured.coverage.value <= measured.coverage.high
        found.append(measured.coverage.value)
        sizes.append(measured.size)
    assert np.mean(found) == pytest.approx(coverage, abs=0.03)
    assert 1 < np.mean(sizes) < 3


def test_the_bound_is_the_quantile_of_the_definition() -> None:
    rng = np.random.default_rng(7)
    probabilities, labels = softmax(rng.normal(size=(60, 3)), axis=1), rng.integers(0, 3, 60)
    few = np.flatnonzero(np.bincount(labels, minlength=3) < 1000)
    sets, alone = prediction_sets(probabilities, labels, probabilities, coverage=0.95)
    assert alone == ()
    assert len(few) == 3
    scores = np.sort(1 - probabilities[np.arange(60), labels])
    bound = scores[int(np.ceil(61 * 0.95)) - 1]
    expected = 1 - probabilities <= bound + 1e-9
    expected[~expected.any(axis=1)] = np.eye(3, dtype=bool)[probabilities[~expected.any(axis=1)].argmax(axis=1)]
    np.testing.assert_array_equal(sets, expected)


def test_a_class_with_people_enough_has_a_bound_of_its_own() -> None:
    by_class: list[float] = []
    for seed in range(20):
        probabilities, labels = people(seed, 2000)
        sets, alone = prediction_sets(probabilities[:1000], labels[:1000], probabilities[1000:], coverage=0.9)
        assert len(alone) >= 2
        assert 3 not in alone or (labels[:1000] == 3).sum() >= least_people(0.9)
        by_class += [measured_sets(sets, labels[1000:], "abcd", nominal=0.9).by_class["abcd"[index]] for index in alone]
    assert np.mean(by_class) == pytest.approx(0.9, abs=0.02)


def test_a_rare_class_beside_a_large_one_does_not_break_the_promise() -> None:
    rng, found = np.random.default_rng(2), []
    for _ in range(100):
        logits = rng.normal(size=(1060, 2)) + np.array([1.5, 0])
        labels = (rng.random(1060) > softmax(logits, axis=1)[:, 0]).astype(int)
        probabilities = softmax(logits, axis=1)
        sets, _ = prediction_sets(probabilities[:60], labels[:60], probabilities[60:], coverage=0.9)
        found.append(exact_fraction(sets[np.arange(1000), labels[60:]]).value)
    assert np.mean(found) == pytest.approx(0.9, abs=0.02)


def test_no_set_is_empty_and_a_class_nobody_has_is_not_measured() -> None:
    probabilities, labels = people(1, 300)
    sets, _ = prediction_sets(probabilities[:150], labels[:150], probabilities[150:], coverage=0.5)
    assert sets.any(axis=1).all()
    kept = labels[150:] != 3
    assert np.isnan(measured_sets(sets[kept], labels[150:][kept], "abcd", nominal=0.5).by_class["d"])


@pytest.fixture(scope="module")
def synthetic() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Small pictures, classes and people of 240 invented people whose ventricles differ by little."""
    slices = list(synthetic_slices("ventricles", 240, millimetres=1.5))
    small = [cv2.resize(one.grey, (44, 52), interpolation=cv2.INTER_AREA).ravel() for one in slices]
    labels = [int(one.label == SYNTHETIC.classes[1]) for one in slices]
    return np.array(small, np.float32), np.array(labels), np.array([one.person for one in slices])


@pytest.mark.slow
def test_on_the_synthetic_cohort_sets_keep_their_promise_over_twenty_splits(
    synthetic: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    pictures, labels, persons = synthetic
    found, sizes = [], []
    for seed in range(20):
        train, known, asked = np.split(np.random.default_rng(seed).permutation(240), 3)
        network = make_pipeline(StandardScaler(), PCA(20, random_state=0), LogisticRegression(C=0.1, max_iter=500))
        network.fit(pictures[np.isin(persons, train)], labels[np.isin(persons, train)])
        truth, means = subject_level(labels, np.log(network.predict_proba(pictures).clip(1e-12)), persons)
        probabilities = softmax(means, axis=1)
        sets, _ = prediction_sets(probabilities[known], truth[known], probabilities[asked], coverage=0.9)
        measured = measured_sets(sets, truth[asked], SYNTHETIC.classes, nominal=0.9)
        found.append(measured.coverage.value)
        sizes.append(measured.size)
    assert np.mean(found) == pytest.approx(0.9, abs=0.03)
    assert np.mean(sizes) < 1.5


def test_one_slice_of_a_new_person_keeps_the_promise_too() -> None:
    rng, found = np.random.default_rng(5), []
    for _ in range(40):
        of_person = rng.normal(size=(160, 1)) + np.array([1.5, 0])
        logits = np.repeat(of_person, 16, axis=0) + 0.5 * rng.normal(size=(2560, 2))
        labels = np.repeat((rng.random(160) > softmax(of_person, axis=1)[:, 0]).astype(int), 16)
        numbers = np.repeat(np.arange(160), 16)
        known = numbers < 60
        probabilities = softmax(logits, axis=1)
        bounds = set_bounds_of_slices(probabilities[known], labels[known], numbers[known], coverage=0.9)
        kept = prediction_set(probabilities[~known], bounds)
        found.append(kept[np.arange(len(kept)), labels[~known]].mean())
    assert np.mean(found) == pytest.approx(0.9, abs=0.03)


def test_the_interval_is_the_exact_one_and_never_without_width() -> None:
    everybody = exact_fraction(np.ones(40, bool))
    assert (everybody.value, everybody.high) == (1, 1)
    assert everybody.low == pytest.approx(0.025 ** (1 / 40))  # Clopper and Pearson, Biometrika 26:404, 1934
    found = exact_fraction(np.arange(40) > 0)
    assert (found.low, found.high) == pytest.approx((0.8684, 0.9994), abs=1e-4)


def test_with_too_few_people_nothing_is_ruled_out() -> None:
    probabilities, labels = people(3, 8)
    bounds, alone = set_bounds(probabilities, labels, coverage=0.9)
    np.testing.assert_array_equal(bounds, 1)
    assert alone == ()
