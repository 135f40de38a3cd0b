import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from core.evaluation.comparison import accuracy_difference, compare_auc, compare_decisions
from core.results import write


def two_scores(seed: int = 0, n: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.45
    shared = rng.normal(size=n)
    first = (positive + shared + 0.5 * rng.normal(size=n)).round(1)  # rounded, so that there are ties
    return positive, first, (0.5 * positive + shared + 0.5 * rng.normal(size=n)).round(1)


def test_delong_is_its_definition_pair_by_pair() -> None:
    positive, *scores = two_scores()
    over, under = [], []
    for score in scores:
        wins = (score[positive][:, None] > score[~positive]) + 0.5 * (score[positive][:, None] == score[~positive])
        over.append(wins.mean(axis=1))
        under.append(wins.mean(axis=0))
    s = np.cov(over) / positive.sum() + np.cov(under) / (~positive).sum()
    error = np.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])
    found = compare_auc(positive, *scores)
    assert found.first == pytest.approx(roc_auc_score(positive, scores[0]), abs=1e-12)
    assert found.second == pytest.approx(roc_auc_score(positive, scores[1]), abs=1e-12)
    assert found.z == pytest.approx((found.first - found.second) / error, abs=1e-9)
    assert found.p == pytest.approx(2 * norm.sf(abs(found.z)), abs=1e-12)
    assert found.difference.high - found.difference.low == pytest.approx(2 * 1.959964 * error, rel=1e-6)


def test_delong_keeps_its_level_and_finds_what_is_there() -> None:
    rng = np.random.default_rng(2)
    found = {0.0: 0, 0.8: 0}
    for gain in found:
        for _ in range(300):
            positive, shared = np.arange(80) < 40, rng.normal(size=80)
            pair = (
                positive * (0.8 + gain) + shared + rng.normal(size=80),
                positive * 0.8 + shared + rng.normal(size=80),
            )
            found[gain] += compare_auc(positive, *pair).p < 0.05
    assert 0.02 <= found[0.0] / 300 <= 0.09
    assert found[0.8] / 300 > 0.5


def test_a_network_is_no_better_than_itself() -> None:
    positive, score, _ = two_scores()
    same = compare_auc(positive, score, score)
    assert (same.difference.value, np.isnan(same.p)) == (0, True)
    assert write(same)["p"] is None
    with pytest.raises(ValueError, match="positives and negatives"):
        compare_auc(np.ones(5, bool), np.arange(5.0), np.arange(5.0))


def test_mcnemar_is_the_exact_one_of_the_textbook() -> None:
    first, second = (
        np.repeat([True, True, False, False], [101, 121, 59, 33]),
        np.repeat([True, False, True, False], [101, 121, 59, 33]),
    )
    found = compare_decisions(first, second)
    assert (found.only_first, found.only_second) == (121, 59)
    assert found.p == pytest.approx(4.434e-06, rel=1e-3)  # R: binom.test(59, 180)$p.value
    assert found.g == pytest.approx(121 / 180 - 0.5)
    assert compare_decisions(first, first).p == 1


def test_the_difference_of_accuracies_is_paired_and_over_people() -> None:
    rng = np.random.default_rng(5)
    people = np.repeat(np.arange(60), 20)
    hard = np.repeat(rng.random(60) < 0.5, 20)
    first = ~hard | (rng.random(1200) < 0.1)
    second = first & (rng.random(1200) < 0.95)
    found = accuracy_difference(first, second, people)
    assert found.value == pytest.approx(first.mean() - second.mean(), abs=1e-12)
    assert 0 < found.low < found.value < found.high
    assert found.high - found.low < 0.05  # unpaired it would be 0.2
