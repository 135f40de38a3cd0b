from dataclasses import replace

import pytest

from core.networks.card import Card, LeastAlike, NearestPicture
from core.reporting.tables import metrics_table, runs_table
from core.reporting.text.evaluation import folds_text, ood_record_text
from core.reporting.text.verdict import card_text, nearest_text, verdict
from core.results import Estimate, FoldsSummary, Metrics, RepeatMetrics, SplitSummary

from ..conftest import tiny_card, tiny_metrics, tiny_recipe

PEOPLE = {"train": 120, "val": 40, "test": 40}
SUBJECT = SplitSummary(by="subject", seed=1, hash="0", images=PEOPLE, people=PEOPLE)
OVERLAP = "12 of 40 people have slices in more than one part."
SLICE = replace(SUBJECT, by="slice", subject_overlap=OVERLAP)
UNKNOWN = replace(SUBJECT, by="slice", people=None)


def reached(low: float, value: float, high: float) -> Metrics:
    """Metrics of 40 people, 10 of each class, so that always answering one class is right for a quarter."""
    metrics = tiny_metrics()
    return replace(metrics, estimates={**metrics.estimates, "accuracy": Estimate(value, low, high)})


def card_of(split: SplitSummary, metrics: Metrics | None = None) -> Card:
    return tiny_card(tiny_recipe(), split=split, by_subject=metrics or reached(0.4, 0.5, 0.6))


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (reached(0.3, 0.5, 0.7), ": better than always answering Non Demented (0.250)."),
        (reached(0.2, 0.5, 0.7), ": not shown to be better than always answering Non Demented (0.250)."),
        (reached(0.0, 0.1, 0.2), ": worse than always answering Non Demented (0.250)."),
    ],
)
def test_a_verdict_compares_with_always_answering_the_largest_class(metrics: Metrics, said: str) -> None:
    assert verdict(card_of(SUBJECT, metrics)).startswith("On 40 people it was not trained on, accuracy ")
    assert verdict(card_of(SUBJECT, metrics)).endswith(said)


def test_of_few_people_nothing_is_called_better_than_a_constant_answer() -> None:
    few = replace(reached(0.9, 0.95, 1.0), people=19)
    said = verdict(card_of(SUBJECT, few))
    assert said.startswith("On 19 people it was not trained on, accuracy 0.950")
    assert said.endswith(": too few people to compare with always answering Non Demented (0.250).")


def test_people_of_the_validation_part_are_not_called_unseen() -> None:
    said = verdict(replace(card_of(SUBJECT), evaluated_on="val"))
    assert "people of the val part, by which its epochs were chosen" in said
    assert "not trained on" not in said


@pytest.mark.parametrize(("split", "said"), [(SLICE, OVERLAP), (UNKNOWN, "whose scans these are is not known")])
def test_without_unseen_people_there_is_no_result_for_new_people_and_that_stands_first(
    split: SplitSummary, said: str
) -> None:
    card = card_of(split)
    if split is UNKNOWN:
        card = replace(card, by_subject=None)
    first, second, *rest = card_text(card).splitlines()
    assert first.startswith("No result for new people: ")
    assert said in first
    assert second == "split by slice, at random, seed 1"
    assert rest[0].startswith("counted by subject: ")
    assert not [line for line in rest if line.startswith(("by subject", "by slice"))]


def test_only_a_split_that_keeps_people_apart_speaks_of_unseen_people() -> None:
    for split, unseen in ((SUBJECT, True), (SLICE, False), (UNKNOWN, False)):
        card = card_of(split)
        assert any("Unseen people" in title for title in metrics_table(card).columns) == unseen
        row = runs_table({"run": card}).iloc[0]
        assert (row["People unseen"] == "yes") == unseen
        assert row["Counted by"] == "subject"


def test_what_is_rejected_is_not_said_of_unseen_people_where_they_are_not() -> None:
    from core.networks.card import OodRecord, UnseenScans

    record = OodRecord(2.0, 0.02, 4, 100, UnseenScans("test", 50, Estimate(0.02, 0.0, 0.04)), None)
    assert "50 scans of people not trained on" in ood_record_text(record, SUBJECT)
    assert "50 scans of the test part" in ood_record_text(record, SLICE)
    assert "50 scans of the test part" in ood_record_text(record, UNKNOWN)


def test_folds_of_unknown_people_are_not_said_to_be_of_people_never_seen() -> None:
    for by_subject, said in ((tiny_metrics(), "by a network that never saw them"), (None, "every scan tested once")):
        repeat = RepeatMetrics(1, tiny_metrics("slice"), by_subject)
        text = folds_text(FoldsSummary("tiny", ("repeat1_fold1",), ("repeat1_fold1",), (repeat,), {}, ()))
        assert said in text


def test_the_nearest_training_picture_stands_beside_the_network() -> None:
    unlike = LeastAlike(0.9, 139, Estimate(0.97, 0.93, 0.99), Estimate(0.81, 0.73, 0.87))
    found = NearestPicture(32, Estimate(0.96, 0.95, 0.98), Estimate(0.5, 0.4, 0.6), unlike)
    said = nearest_text(found)
    assert "is right for 0.960 (0.950 to 0.980) of the same scans and, of people, for 0.500 (0.400 to 0.600)." in said
    assert "Of the 139 that no training picture is like (correlation below 0.90) the network is right for 0.970" in said
    assert "the nearest picture for 0.810 (0.730 to 0.870)." in said
    assert nearest_text(replace(found, unlike=None)).endswith("Every scan has a training picture that is like it.")
    assert "and, of people" not in nearest_text(replace(found, by_subject=None))
    assert said in card_text(replace(card_of(SUBJECT), nearest=found))
