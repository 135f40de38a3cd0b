import numpy as np

from core.evaluation.bootstrap import fraction_over_people
from core.evaluation.ood import fit_ood_model, ood_limit


def test_what_leaves_the_plane_is_foreign_and_what_stays_in_it_is_not() -> None:
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(5, 60))

    def drawn(n: int) -> np.ndarray:
        return (rng.normal(size=(n, 5)) @ plane + 0.1 * rng.normal(size=(n, 60))).astype(np.float32)

    known, unseen, ood_rejection = drawn(400), drawn(400), drawn(400) + rng.normal(size=(400, 60)).astype(np.float32)
    ood_model = fit_ood_model(known, np.zeros(400, int), axes=5)

    def score(signatures: np.ndarray) -> np.ndarray:
        return ood_model.scores((np.sign(signatures) * signatures**2)[:, None, None])[0]

    limit = ood_limit(score(drawn(400)))
    assert (score(unseen) > limit).mean() < 0.05
    assert (score(ood_rejection) > limit).mean() > 0.99
    np.testing.assert_allclose(ood_model.axes @ ood_model.axes.T, np.eye(5), atol=2e-3)


def test_the_limit_refuses_no_more_than_was_allowed() -> None:
    scores = np.arange(100, dtype=np.float32)
    assert (scores > ood_limit(scores, rejected=0.02)).mean() <= 0.02
    assert 0.08 < (scores > ood_limit(scores, rejected=0.1)).mean() <= 0.1


def test_the_share_counts_slices_and_its_interval_counts_people() -> None:
    hits = np.repeat([True] * 2 + [False] * 18, 32)
    of_people = fraction_over_people(hits, np.repeat(np.arange(20), 32))
    of_slices = fraction_over_people(hits, np.arange(640))
    assert of_people.value == of_slices.value == 0.1
    assert of_people.high - of_people.low > 4 * (of_slices.high - of_slices.low)
