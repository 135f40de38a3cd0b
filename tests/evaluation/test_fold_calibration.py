import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from core.cohorts.tasks import ALZHEIMER
from core.evaluation.fold_calibration import calibration_of, sets_of
from core.reporting.text.evaluation import calibration_text, sets_text

from ..conftest import tiny_recipe


def fold(seed: int, *, too_sure: float, people: int = 150) -> pd.DataFrame:
    """What a fold keeps of people whose stages are drawn from a network's probabilities, before it grew too sure."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(people, 4))
    stage = (rng.random((people, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    table = pd.DataFrame({"label": np.repeat(np.array(ALZHEIMER.classes)[stage], 3),
                          "subject": np.repeat([f"P{seed}_{person}" for person in range(people)], 3),
                          "part": np.repeat(np.where(np.arange(people) % 2, "val", "test"), 3)})  # fmt: skip
    for index, name in enumerate(ALZHEIMER.classes):
        table[f"logit {name}"] = np.repeat(too_sure * logits[:, index], 3)
    return table


def test_each_fold_is_calibrated_on_its_own_validation_people() -> None:
    folds = [fold(seed, too_sure=sure) for seed, sure in enumerate((3.0, 1.0, 3.0))]
    found = calibration_of(folds, tiny_recipe())
    assert found is not None
    for one, counted in ((found.by_slice, 675), (found.by_subject, 225)):
        assert (one.fitted_on_people, one.measured_on_people) == (225, 225)
        as_is, temperature, vector = (one.scalings[name] for name in ("as_is", "temperature", "vector"))
        assert temperature.temperatures == pytest.approx([3, 1, 3], rel=0.35)
        assert temperature.error.value < as_is.error.value - 0.05
        assert temperature.log_loss < as_is.log_loss
        assert vector.log_loss < as_is.log_loss
        assert as_is.error.low < as_is.error.value < as_is.error.high
        assert sum(bin_.n for bin_ in as_is.reliability) == counted
    words = calibration_text(found)
    assert "fitted on 225 validation people, measured on 225 test people" in words
    assert "temperature 3" in words or "temperature 2" in words


def test_without_validation_people_nothing_is_calibrated() -> None:
    table = fold(0, too_sure=1.0)
    assert calibration_of([table[table["part"] == "test"]], tiny_recipe()) is None
    assert calibration_of([table.assign(subject="")], tiny_recipe()) is None
    assert sets_of([table[table["part"] == "test"]], tiny_recipe(), coverage=0.9) is None


def test_sets_of_people_reach_their_nominal_coverage_over_the_folds() -> None:
    found = sets_of([fold(seed, too_sure=2.0) for seed in range(10)], tiny_recipe(), coverage=0.9)
    assert found is not None
    coverage = found.coverage
    assert coverage.low - 0.01 <= 0.9 <= coverage.high + 0.01
    assert coverage.low < coverage.value < coverage.high
    assert 1 < found.size < 4
    assert all(0.8 < fraction <= 1 for fraction in found.by_class.values())
    assert "nominal coverage 90 %" in sets_text(found)
