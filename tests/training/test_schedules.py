import numpy as np
import pytest

from core.networks.recipe import Phase
from core.training.phases import State, _after, _rate, _warning


def follow(phase: Phase, losses: list[float]) -> list[float]:
    """Return the learning rate of each epoch, given the validation losses."""
    state, rates = State(1), []
    for loss in losses:
        rates.append(_rate(phase, state))
        state = _after(state, phase, loss)
    return rates


def test_cosine_falls_from_the_rate_towards_zero() -> None:
    rates = follow(Phase("all", 1.0, 4, 9, schedule="cosine"), [1, 1, 1, 1])
    np.testing.assert_allclose(rates, [1, (1 + np.sqrt(0.5)) / 2, 0.5, (1 - np.sqrt(0.5)) / 2])


def test_plateau_takes_a_fifth_after_two_epochs_without_a_better_loss() -> None:
    rates = follow(Phase("all", 1.0, 9, 9, schedule="plateau"), [5, 4, 4, 4, 3, 3, 3, 3])
    np.testing.assert_allclose(rates, [1, 1, 1, 1, 0.2, 0.2, 0.2, 0.04])


@pytest.mark.parametrize(("losses", "done"), [([3, 2, 2, 2], True), ([3, 2, 2, 1], False), ([3, 2], False)])
def test_a_phase_ends_when_patience_does(losses: list[float], done: bool) -> None:
    state = State(1)
    for loss in losses:
        state = _after(state, Phase("all", 1.0, 99, 2), loss)
    assert state.done == done


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_never_the_best_and_ends_the_phase(bad: float) -> None:
    state = _after(State(1), Phase("all", 1.0, 99, 9), 1.0)
    state = _after(state, Phase("all", 1.0, 99, 9), bad)
    assert (state.best, state.done) == (1.0, True)
    assert _warning(1.3, state, classes=4) == ""
    assert "with the weights of its best epoch" in _warning(bad, state, classes=4)


def test_an_exploding_loss_is_said() -> None:
    state = State(1, epoch=3, best=0.9)
    assert _warning(9.0, state, classes=4) == ""
    assert "try a lower learning rate" in _warning(130.0, state, classes=4)
