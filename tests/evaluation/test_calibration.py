import numpy as np
import pytest
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from core.evaluation.calibration import calibration_error, fit_temperature, fit_vector_scaling
from core.networks.card import UNLEARNED


def honest(seed: int = 0, n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits whose softmax is the truth, labels drawn from it, and people of four slices each."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(n, 4))
    labels = (rng.random((n, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    return logits, labels, np.repeat(np.arange(n // 4), 4)


def test_a_network_that_is_too_sure_of_itself_is_found_out_and_cooled() -> None:
    logits, labels, people = honest()
    scaling = fit_temperature(2.5 * logits, labels, people)
    assert scaling.temperature == pytest.approx(2.5, rel=0.05)
    before, _ = calibration_error(softmax(2.5 * logits, axis=1), labels, people)
    after, _ = calibration_error(softmax(scaling(2.5 * logits), axis=1), labels, people)
    assert before.low > 0.1
    assert after.high < 0.05
    assert (scaling(logits).argmax(axis=1) == logits.argmax(axis=1)).all()  # no answer changes


@pytest.mark.parametrize("right", [True, False])
def test_where_all_are_right_or_none_better_than_chance_no_temperature_is_learned(right: bool) -> None:
    labels = np.arange(40) % 4
    logits = 0.3 * np.random.default_rng(0).normal(size=(40, 4)) + (2 if right else -2) * np.eye(4)[labels]
    assert (logits.argmax(axis=1) == labels).all() == right
    assert fit_temperature(logits, labels, np.arange(40)).temperature == UNLEARNED


def test_a_vector_scaling_is_scikit_learns_logistic_regression_where_both_can_say_the_same() -> None:
    rng = np.random.default_rng(1)
    margin, labels = rng.normal(size=600), rng.random(600)
    labels = (labels < 1 / (1 + np.exp(-(0.4 * margin - 0.7)))).astype(int)
    logits = np.stack([-margin, margin], axis=1)
    scaling = fit_vector_scaling(logits, labels, np.arange(600))
    learned = LogisticRegression(C=np.inf).fit(margin[:, None], labels)
    expected = learned.predict_proba(margin[:, None])
    np.testing.assert_allclose(softmax(scaling(logits), axis=1), expected, atol=0.01)
    assert scaling.temperature is None


def test_reliability_is_that_of_scikit_learn() -> None:
    logits, labels, people = honest(2)
    probabilities = softmax(logits, axis=1)
    right, confidence = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    fraction, mean = calibration_curve(right, confidence, n_bins=10)
    error, bins = calibration_error(probabilities, labels, people)
    np.testing.assert_allclose([one.accuracy.value for one in bins], fraction, atol=1e-9)
    np.testing.assert_allclose([one.confidence for one in bins], mean, atol=1e-9)
    counts = np.array([one.n for one in bins])
    assert error.value == pytest.approx((np.abs(fraction - mean) * counts).sum() / counts.sum(), abs=1e-9)
    assert counts.sum() == len(labels)
    assert all(one.accuracy.low <= one.accuracy.value <= one.accuracy.high for one in bins)


def test_everybody_counts_alike_however_many_slices_they_have() -> None:
    logits, labels, people = honest(3)
    once = fit_temperature(2 * logits, labels, people)
    many = np.concatenate([np.arange(4000), np.repeat(np.arange(4), 500)])  # one person a thousand times more
    again = fit_temperature(2 * logits[many], labels[many], people[many])
    assert again.temperature == pytest.approx(once.temperature, rel=0.02)


def test_a_class_without_people_does_not_run_away() -> None:
    logits, labels, people = honest(4)
    kept = labels != 3
    scaling = fit_vector_scaling(logits[kept], labels[kept], people[kept] - people[kept].min())
    assert np.isfinite(scaling.factor).all()
    assert np.abs(scaling.offset).max() < 30
