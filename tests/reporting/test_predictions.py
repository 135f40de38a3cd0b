from dataclasses import replace

import numpy as np
import pytest

from core.networks.bundle import open_bundle
from core.networks.card import UNLEARNED, CalibrationRecord
from core.networks.inference.prediction import Calibration, Prediction
from core.reporting.text.predictions import left_out_text, set_text

ALIKE = {"Non": 0.44, "Very Mild": 0.34, "Mild": 0.11, "Moderate": 0.11}


@pytest.mark.parametrize(
    ("probabilities", "listed", "explained"),
    [
        (ALIKE, ["Non", "Very Mild"], True),  # what is left out is more than the tenth that the list may miss
        (ALIKE, ["Non", "Very Mild", "Mild"], True),  # one of two that look alike is left out
        ({"Non": 0.60, "Very Mild": 0.36, "Mild": 0.04}, ["Non", "Very Mild"], False),
        ({"Non": 0.60, "Very Mild": 0.04, "Mild": 0.36}, ["Non", "Very Mild"], True),  # a likelier one is left out
        (ALIKE, list(ALIKE), False),
    ],
)
def test_a_list_that_cannot_be_read_off_the_probabilities_says_why(
    probabilities: dict[str, float], listed: list[str], *, explained: bool
) -> None:
    said = left_out_text(probabilities, listed, 0.9)
    assert bool(said) == explained
    for name, value in probabilities.items():
        if explained and name not in listed:
            assert f"{name} ({100 * value:.0f} %)" in said
    sets = {"classes": listed, "coverage": 0.9, "tested": ""}
    answer = {"calibrated": True, "calibration_doubt": "", "prediction_set": sets, "probabilities": probabilities}
    assert ("Not listed" in set_text(answer)) == explained


def test_probabilities_are_called_calibrated_only_where_a_temperature_was_learned_and_held_in_testing() -> None:
    card = open_bundle("alzheimer_resnet50_small").card
    record = card.calibration
    assert record is not None
    assert record.measured is not None

    def said(scaled: CalibrationRecord | None, unit: str = "scan") -> str:
        calibration = Calibration.of_card(replace(card, calibration=scaled), unit)
        logits = np.array([3.0, 1.0, 0.0, -1.0], np.float32)
        prediction = Prediction("scan", "model", card.by_slice.classes, logits, calibration=calibration)
        return set_text(prediction.as_dict())

    assert "The probabilities are calibrated." in said(record)
    assert "The probabilities are calibrated." in said(replace(record, measured=None))
    assert said(None) == "The probabilities are not calibrated."
    unlearned = replace(record, scan=replace(record.scan, temperature=UNLEARNED))
    assert "are not calibrated: 32 validation people do not say how sure an answer may be." in said(unlearned)
    assert "The probabilities are calibrated." in said(unlearned, "subject")
    errors = record.measured.errors
    swapped = {"as_is": errors["by_slice"]["temperature"], "temperature": errors["by_slice"]["as_is"]}
    worse = replace(record, measured=replace(record.measured, errors=errors | {"by_slice": swapped}))
    assert "are not calibrated: what was learned" in said(worse)
    assert "The probabilities are calibrated." in said(worse, "subject")
