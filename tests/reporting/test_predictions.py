import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from core.networks.bundle import open_bundle
from core.networks.card import UNLEARNED, CalibrationRecord
from core.networks.inference.prediction import BrainAge, Calibration, Prediction
from core.reporting.text.cohorts import audit_text, preprocess_text
from core.reporting.text.predictions import brain_age_text, left_out_text, set_text

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


def test_what_a_list_held_in_testing_is_said_with_the_people_and_the_interval() -> None:
    card = open_bundle("alzheimer_resnet50_small").card
    assert card.by_subject is not None
    for unit, said in (
        ("scan", r"\d+ % of 1,280 test slices of 40 people \(95 % interval \d+ % to \d+ %\)"),
        ("subject", r"\d+ of 40 people \(95 % interval \d+ % to \d+ %\)"),
    ):
        found = Calibration.of_card(card, unit)
        assert found is not None
        assert re.fullmatch(said, found.tested), found.tested
    one = replace(card, by_subject=replace(card.by_subject, n=1))
    found = Calibration.of_card(one, "subject")
    assert found is not None
    assert " of 1 person (" in found.tested


def test_one_of_a_kind_is_not_written_as_several() -> None:
    findings = {"files": 1, "volumes": 1, "people": 1, "resumed": 1, "without_class": 1, "doubtful": [], "left_out": []}
    text = preprocess_text({**findings, "out": "here"})
    assert text.splitlines()[:3] == [
        "1 file of 1 volume of 1 person",
        "1 volume was done already",
        "1 volume was set aside for want of a class",
    ]
    copies = {"identical_groups": [{"paths": ["a", "b"]}], "identical_copies": 1, "near_copies": 1}
    people = {"people_found": False, "people_unknown_because": "none", "straddling_groups": [], "set_aside": []}
    audited = {**copies, **people, "images": 1, "images_by_class": {"Mild": 1}, "unreadable": [{"reason": "x"}]}
    text = audit_text(audited)
    for said in ("1 image: 1 Mild", "1 unreadable file\n", "1 byte-identical copy, in 1 group:", "1 near copy ("):
        assert said in text


@pytest.mark.parametrize(
    ("years", "age", "said"),
    [
        (78.4, None, "Brain age: 78 ± 9 years (standard deviation; learned from 46 healthy people of 60 to 93 years)."),
        (78.4, 70.0, "That is 8 years above the age given, within twice its error."),
        (61.0, 82.0, "That is 21 years below the age given, more than twice its error."),
        (55.0, 58.0, "Brain age: younger than 60 years, beyond the ages that it was learned from (46 healthy people"),
        (99.0, None, "Brain age: older than 93 years, beyond the ages that it was learned from"),
    ],
)
def test_a_brain_age_is_said_with_its_error_and_only_among_the_ages_that_were_learned_from(
    years: float, age: float | None, said: str
) -> None:
    assert said in brain_age_text(asdict(BrainAge(years, 9.2, 60.0, 93.0, 46)), age)
