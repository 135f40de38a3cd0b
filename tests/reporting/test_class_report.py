"""The classification report beside scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import classification_report

from core.cohorts.tasks import ALZHEIMER
from core.evaluation.metrics import metrics_of
from core.evaluation.scored import Scored
from core.reporting.class_report import MACRO, WEIGHTED, class_report, class_report_text

NAMES = ALZHEIMER.classes
COLUMNS = (("Precision", "precision"), ("Recall", "recall"), ("F1", "f1-score"), ("Support", "support"))


def scored(labels: np.ndarray, seed: int = 1) -> Scored:
    logits = np.random.default_rng(seed).normal(size=(len(labels), len(NAMES))) + 1.2 * np.eye(len(NAMES))[labels]
    people = np.array([f"P{number // 3}" for number in range(len(labels))])
    return Scored(labels, logits, people, ALZHEIMER)


@pytest.mark.parametrize("present", [4, 3])
def test_the_report_is_scikit_learns(present: int) -> None:
    labels = np.repeat(np.arange(present), 30)
    made = scored(labels)
    by_slice, _ = metrics_of(made)
    answers = made.logits.argmax(axis=1)
    theirs = classification_report(labels, answers, labels=range(present), output_dict=True, zero_division=0)
    table = class_report(by_slice).set_index("Class")
    for index in range(present):
        for title, key in (
            ("Precision", "precision"),
            ("Recall", "recall"),
            ("F1", "f1-score"),
            ("Support", "support"),
        ):
            assert table.loc[NAMES[index], title] == pytest.approx(theirs[str(index)][key])
    for name, key in ((MACRO, "macro avg"), (WEIGHTED, "weighted avg")):
        for title, own in (
            ("Precision", "precision"),
            ("Recall", "recall"),
            ("F1", "f1-score"),
            ("Support", "support"),
        ):
            assert table.loc[name, title] == pytest.approx(theirs[key][own]), (name, title)
    assert table.loc["Accuracy", "Recall"] == pytest.approx((answers == labels).mean())
    if present < 4:
        assert np.isnan(table.loc[NAMES[3], "Recall"])
        assert table.loc[NAMES[3], "Support"] == 0


def test_the_text_holds_the_report_and_the_confusion_matrix_in_columns() -> None:
    by_slice, by_subject = metrics_of(scored(np.repeat(np.arange(4), 30)))
    assert by_subject is not None
    for metrics in (by_slice, by_subject):
        lines = class_report_text(metrics).splitlines()
        assert lines[0] == f"by {metrics.unit}, each class against the others"
        assert len({len(line) for line in lines[1:9]}) == 1
        for number, row in enumerate(metrics.confusion):
            assert lines[-4 + number].split()[-4:] == [str(count) for count in row]
