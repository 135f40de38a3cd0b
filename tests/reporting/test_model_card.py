from dataclasses import replace
from pathlib import Path

import pytest

from core.networks.bundle import Bundle, bundle_names, open_bundle
from core.networks.card import OodKind, OodRecord, UnseenScans
from core.reporting.checklists import checklists
from core.reporting.model_card import TITLES, card_page, model_card
from core.results import Estimate


def with_card(bundle: Bundle, **changes: object) -> Bundle:
    return replace(bundle, card=replace(bundle.card, **changes))


def test_a_card_says_only_what_was_measured(tiny_bundle: Bundle) -> None:
    text = model_card(tiny_bundle)
    for title in ("Use", "Data and people", "Training", "Metrics", "Known failures and limits"):
        assert f"\n## {title}\n" in text
    for title in ("Calibration and prediction sets", "Out-of-distribution scans", "Age, sex and site", "Heatmaps"):
        assert f"\n## {title}\n" not in text
    assert "0.500 (0.400 to 0.600)" in text
    assert "Knows nothing." in text
    assert "31 explainability and its validation" in text.split("Not answered:")[1]


def test_failures_are_found_in_the_metrics(tiny_bundle: Bundle) -> None:
    recalls = {"Mild Demented": 0.2, "Non Demented": 0.9}
    by_class = {name: {"recall": Estimate(value, value, value)} for name, value in recalls.items()}
    metrics = replace(tiny_bundle.card.metrics, by_class=by_class)
    ood = OodRecord(
        limit=2.0,
        rejected_at_fitting=0.02,
        axes=4,
        training_scans=100,
        unseen=UnseenScans("test", 50, Estimate(0.02, 0.0, 0.04)),
        kinds={"upside down": OodKind(50, 0.5), "noise": OodKind(50, 1.0)},
    )
    text = model_card(with_card(tiny_bundle, by_subject=metrics, ood=ood))
    assert "Mild Demented: finds 20 % of them" in text
    assert "Non Demented: finds" not in text
    assert "upside down, only 50 % are rejected" in text
    assert "Of images noise" not in text
    assert "\n## Out-of-distribution scans\n" in text


def test_subject_overlap_is_said_in_bold(tiny_bundle: Bundle) -> None:
    overlap = replace(tiny_bundle.card.split, subject_overlap="200 of 200 people are in several parts.")
    assert "**200 of 200 people are in several parts.**" in model_card(with_card(tiny_bundle, split=overlap))


def test_the_page_needs_nothing_else_and_takes_no_markup_from_a_card(tiny_bundle: Bundle) -> None:
    page = card_page(with_card(tiny_bundle, start="<script>alert(1)</script>"))
    assert "<table>" in page
    assert "<script>" not in page
    assert "http" not in page.replace("https://", "")


def test_every_item_of_the_checklists_is_either_answered_or_listed_as_open() -> None:
    counts = {checklist.name: len(checklist.items) for checklist in checklists()}
    assert counts == {"CLAIM 2024": 44, "TRIPOD+AI": 52}
    for checklist in checklists():
        assert len({item.number for item in checklist.items}) == len(checklist.items)
        assert {name for item in checklist.items for name in item.sections} <= TITLES.keys()
        answered, left = checklist.answered(TITLES), checklist.unanswered(TITLES)
        assert len(answered) + len(left) == len(checklist.items)
        assert checklist.answered(()) == []


@pytest.mark.skipif(not bundle_names(), reason="no model in models/")
def test_the_shipped_card_is_complete(tmp_path: Path) -> None:
    text = model_card(open_bundle())
    for title in (
        "Published protocol",
        "Age, sex and site",
        "Calibration and prediction sets",
        "Out-of-distribution scans",
        "Heatmaps",
    ):
        assert f"\n## {title}\n" in text
    assert "measure recognition of people, not of disease" in text
    assert "people of 60 and over" in text
    assert "Age alone, without any picture" in text
