import itertools
from typing import Any

import keras
import numpy as np
import pytest

from core.errors import TrainingError
from core.networks.recipe import Imbalance, Oversampling
from core.training.imbalance import SparseFocal, class_weights, draw_order, loss_of, oversample

LABELS = np.repeat(np.arange(3), (40, 12, 4))
EMBEDDINGS = (np.random.default_rng(0).normal(size=(56, 6)) + 0.8 * LABELS[:, None]).astype(np.float32)


def test_class_weights_make_all_classes_count_equally() -> None:
    weights = class_weights(Imbalance(class_weights=True), LABELS, 4)
    np.testing.assert_allclose(weights[:3] * np.bincount(LABELS), 56 / 3, rtol=1e-5)
    np.testing.assert_array_equal(class_weights(Imbalance(), LABELS, 4), 1)


def test_weighted_sampling_draws_all_classes_equally_often_and_shuffling_each_scan_once() -> None:
    order = draw_order(Imbalance(sampling="weighted"), np.tile(LABELS, 50), np.random.default_rng(1))
    fractions = np.bincount(np.tile(LABELS, 50)[order]) / len(order)
    np.testing.assert_allclose(fractions, 1 / 3, atol=0.03)
    assert sorted(draw_order(Imbalance(), LABELS, np.random.default_rng(1))) == list(range(56))


def test_focal_loss_is_its_formula_and_cross_entropy_at_gamma_zero() -> None:
    logits = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    true = np.array([0, 2, 1, 0, 2])
    p = np.exp(logits)[np.arange(5), true] / np.exp(logits).sum(axis=1)
    focal = np.asarray(SparseFocal(2.0).call(keras.ops.convert_to_tensor(true), keras.ops.convert_to_tensor(logits)))
    np.testing.assert_allclose(focal, -((1 - p) ** 2) * np.log(p), rtol=1e-4)
    plain = loss_of(Imbalance())(true, logits)
    np.testing.assert_allclose(float(SparseFocal(0.0)(true, logits)), float(plain), rtol=1e-5)
    assert isinstance(loss_of(Imbalance(loss="focal", focal_gamma=1)), SparseFocal)


@pytest.mark.parametrize("method", ["smote", "borderline_smote", "svm_smote", "adasyn", "repetition"])
def test_oversampling_keeps_the_real_ones_first_and_reaches_its_target(method: Any) -> None:
    made, labels = oversample(Oversampling(method, 40, 3), EMBEDDINGS, LABELS, seed=1)
    np.testing.assert_array_equal(made[:56], EMBEDDINGS)
    np.testing.assert_array_equal(labels[:56], LABELS)
    counts = np.bincount(labels)
    assert counts[0] == 40
    if method in {"smote", "repetition"}:
        assert counts.tolist() == [40, 40, 40]
    else:  # these interpolate only near the border, as many as possible there
        assert counts[1:].sum() > 16
        assert counts.max() <= 46
    again, _ = oversample(Oversampling(method, 40, 3), EMBEDDINGS, LABELS, seed=1)
    np.testing.assert_array_equal(made, again)


def test_smote_interpolates_between_two_of_the_same_class() -> None:
    """Chawla et al. 2002: a new one lies on the segment between a real one and a neighbour of its class."""
    made, labels = oversample(Oversampling("smote", 40, 3), EMBEDDINGS, LABELS, seed=1)
    real = EMBEDDINGS[LABELS == 2].astype(np.float64)
    for one in made[56:][labels[56:] == 2].astype(np.float64):
        gaps = [
            np.linalg.norm(one - a) + np.linalg.norm(one - b) - np.linalg.norm(a - b)
            for a, b in itertools.combinations(real, 2)
        ]
        assert min(gaps) < 1e-4


def test_no_class_shrinks_and_the_largest_is_the_target_by_default() -> None:
    _, labels = oversample(Oversampling("smote", 10), EMBEDDINGS, LABELS, seed=1)
    assert np.bincount(labels).tolist() == [40, 12, 10]
    _, labels = oversample(Oversampling("smote"), EMBEDDINGS, LABELS, seed=1)
    assert np.bincount(labels).tolist() == [40, 40, 40]


def test_a_class_of_one_can_be_repeated_but_not_interpolated() -> None:
    labels = np.array([0] * 10 + [1])
    with pytest.raises(TrainingError, match="smote needs at least two scans of every class; a class has one"):
        oversample(Oversampling("smote"), EMBEDDINGS[:11], labels, seed=1)
    assert np.bincount(oversample(Oversampling("repetition"), EMBEDDINGS[:11], labels, seed=1)[1]).tolist() == [10, 10]
