"""What a person's slices come to is computed in one way, whoever asks."""

from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from core.evaluation.metrics import subject_metrics
from core.evaluation.predictions import predictions_of_bundle
from core.evaluation.scored import scored_table
from core.files import write_table
from core.networks.bundle import Bundle
from core.networks.inference.aggregation import combined_logits, subject_logits
from core.networks.inference.loading import load_predictor
from core.networks.recipe import Aggregation, Slices
from core.scans import read_scan_file

from ...conftest import tiny_recipe, write_heads, write_tiny_bundle

ROUNDING = 0.02  # of logits, as a split is read as bytes
WAYS = get_args(Aggregation)


@pytest.mark.parametrize("how", WAYS)
def test_a_subject_is_aggregated_alone_as_among_others(how: Aggregation) -> None:
    rng = np.random.default_rng(0)
    logits, subjects = rng.normal(size=(60, 4)).astype(np.float32), rng.permutation(np.arange(60) % 7)
    together = subject_logits(logits, subjects, how)
    for subject in range(7):
        np.testing.assert_allclose(combined_logits(logits[subjects == subject], how), together[subject], rtol=1e-6)


def test_each_way_is_its_definition() -> None:
    logits = np.array([[3.0, 0.0], [0.0, 1.0], [-1.0, 5.0]])
    np.testing.assert_allclose(combined_logits(logits, "mean_logit"), logits.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(combined_logits(logits, "median_logit"), [0.0, 1.0])
    probability = softmax(combined_logits(logits, "mean_probability").astype(float))
    np.testing.assert_allclose(probability, softmax(logits, axis=1).mean(axis=0), rtol=1e-6)
    with pytest.raises(ValueError, match="expected mean_logit"):
        combined_logits(logits, "best_slice")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Six people of two classes with five slices each, as a split table of one part."""
    table = write_heads(tmp_path_factory.mktemp("heads") / "set", {"Non Demented": 3, "Mild Demented": 3}, slices=5)
    named = table.assign(subject=[f"P{person}" for person in table["person"]], slice=table["height"])
    return named.drop(columns=["person", "height"]).assign(part="test", by="subject", seed=1)


@pytest.mark.parametrize("how", WAYS)
def test_a_bundle_is_measured_by_subject_as_its_predictor_answers(
    how: Aggregation, cohort: pd.DataFrame, tmp_path: Path
) -> None:
    bundle: Bundle = write_tiny_bundle(tmp_path / "tiny", tiny_recipe(slices=Slices(0, 4, how)))
    predictor = load_predictor(bundle)
    write_table(tmp_path / "split.csv", cohort)
    scored = scored_table(predictions_of_bundle(bundle, cohort).asked, bundle.recipe)
    metrics = subject_metrics(scored)
    assert metrics is not None
    measured = scored.by_subject()[1]
    right, compared = [], 0
    for index, (subject, rows) in enumerate(cohort.groupby("subject")):
        slices = [read_scan_file(path) for path in rows["path"]]
        said = predictor.predict_volume(str(subject), slices, [0.0] * len(slices))
        np.testing.assert_allclose(measured[index], said.logits, atol=ROUNDING)
        found = bundle.recipe.classes[int(measured[index].argmax())]
        second, first = np.sort(said.logits)[-2:]
        if first - second > 2 * ROUNDING:
            assert found == said.answer
            compared += 1
        right.append(found == rows["label"].iloc[0])
    assert compared
    assert metrics["accuracy"].value == pytest.approx(np.mean(right))
