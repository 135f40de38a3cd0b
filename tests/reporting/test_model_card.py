from dataclasses import replace
from pathlib import Path

import pytest

from core.networks.card import Bundle, bundle_names, open_bundle
from core.reporting.checklists import CLAIM, TRIPOD_AI
from core.reporting.model_card import card_page, model_card


def with_card(bundle: Bundle, **changes: object) -> Bundle:
    return replace(bundle, card={**bundle.card, **changes})


def test_a_card_says_only_what_was_measured(tiny_bundle: Bundle) -> None:
    text = model_card(tiny_bundle)
    for title in ("Use", "Data and people", "Training", "Figures", "Known failures and limits"):
        assert f"\n## {title}\n" in text
    for title in ("Calibration and sets", "Foreign scans", "Age, sex and site", "Heatmaps"):
        assert f"\n## {title}\n" not in text
    assert "0.500 (0.400 to 0.600)" in text
    assert "Knows nothing." in text
    assert "31 explainability and its validation" in text.split("Not answered:")[1]


def test_failures_are_found_in_the_figures(tiny_bundle: Bundle) -> None:
    metrics = {**tiny_bundle.card["by_subject"], "recall_by_class": {"Mild Demented": 0.2, "Non Demented": 0.9}}
    ood = {
        "limit": 2.0, "training_scans": 100, "unseen": {"fraction": 0.02, "interval": [0.0, 0.04], "scans": 50},
        "ood_rejection": {"upside down": {"n": 50, "rejected": 0.5}, "noise": {"n": 50, "rejected": 1.0}},
    }  # fmt: skip
    text = model_card(with_card(tiny_bundle, by_subject=metrics, ood=ood))
    assert "Mild Demented: finds 20% of them" in text
    assert "Non Demented: finds" not in text
    assert "upside down, only 50% are refused" in text
    assert "Of pictures noise" not in text
    assert "\n## Foreign scans\n" in text


def test_a_torn_split_is_said_in_bold(tiny_bundle: Bundle) -> None:
    overlap = {**tiny_bundle.card["split"], "subject_overlap": "200 of 200 people are torn."}
    assert "**200 of 200 people are torn.**" in model_card(with_card(tiny_bundle, split=overlap))


def test_the_page_needs_nothing_else_and_takes_no_markup_from_a_card(tiny_bundle: Bundle) -> None:
    page = card_page(with_card(tiny_bundle, title="<script>alert(1)</script>"))
    assert "<table>" in page
    assert "<script>" not in page
    assert "http" not in page.replace("https://", "")


@pytest.mark.parametrize(("checklist", "count"), [(CLAIM, 44), (TRIPOD_AI, 52)])
def test_every_item_is_either_answered_or_listed_as_open(checklist: object, count: int) -> None:
    sections = {where for _, _, indices in checklist.items for where in indices}  # type: ignore[attr-defined]
    answered, left = checklist.answered(sections), checklist.open(sections)  # type: ignore[attr-defined]
    assert len(answered) + len(left) == len({number for number, _, _ in checklist.items}) == count  # type: ignore[attr-defined]
    assert checklist.answered(set()) == []  # type: ignore[attr-defined]


@pytest.mark.skipif(not bundle_names(), reason="no model in models/")
def test_the_shipped_card_is_complete(tmp_path: Path) -> None:
    text = model_card(open_bundle())
    for title in ("Published protocol", "Age, sex and site", "Calibration and sets", "Foreign scans", "Heatmaps"):
        assert f"\n## {title}\n" in text
    assert "measure recognition of people, not of disease" in text
    assert "people of 60 and over" in text
    assert "Age alone, without any picture" in text
