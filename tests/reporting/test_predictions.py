import pytest

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
    text = set_text({"calibrated": True, "prediction_set": sets, "probabilities": probabilities})
    assert ("Not listed" in text) == explained
