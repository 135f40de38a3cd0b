import numpy as np
import pytest
from scipy.special import softmax

from core.evaluation.sets import covered, least_people, prediction_sets


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
        measured = covered(sets, labels[200:], wanted=coverage)
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
        assert {0, 1, 2} <= set(alone)
        assert 3 not in alone or (labels[:1000] == 3).sum() >= least_people(0.9)
        by_class.append(covered(sets, labels[1000:], wanted=0.9).by_class[:3])
    np.testing.assert_allclose(np.mean(by_class, axis=0), 0.9, atol=0.03)


def test_no_set_is_empty_and_a_class_nobody_has_is_not_measured() -> None:
    probabilities, labels = people(1, 300)
    sets, _ = prediction_sets(probabilities[:150], labels[:150], probabilities[150:], coverage=0.5)
    assert sets.any(axis=1).all()
    kept = labels[150:] != 3
    assert np.isnan(covered(sets[kept], labels[150:][kept], wanted=0.5).by_class[3])
