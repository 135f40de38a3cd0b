import re
from pathlib import Path

import numpy as np
import pandas as pd

from core.cohorts.tasks import ALZHEIMER
from core.evaluation.predictions import Predictions, predictions_of_run
from core.reporting.evaluation_report import worst_errors, write_report
from core.runs.folder import mark_finished

from ..conftest import tiny_recipe, write_finished_run


def write_run(folder: Path, *, known: bool = True, overlap: bool = False) -> Path:
    """Write what a run keeps: 60 people of three slices each, half of them validation people."""
    rng, people = np.random.default_rng(1), 60
    stage = np.arange(people) % 4
    table = pd.DataFrame({"path": [f"/x/{person}<b>_{index}.png" for person in range(people) for index in range(3)],
                          "label": np.repeat(np.array(ALZHEIMER.classes)[stage], 3),
                          "subject": np.repeat([f"P{person}<i>" if known else "" for person in range(people)], 3),
                          "part": np.repeat(np.where(np.arange(people) % 3, "test", "val"), 3)})  # fmt: skip
    for index, name in enumerate(ALZHEIMER.classes):
        table[f"logit {name}"] = np.repeat((stage == index) + rng.normal(size=people), 3)
    write_finished_run(folder, table, tiny_recipe(title="A <tiny> network"))
    split = table[["path", "label", "subject"]].assign(slice="", by="slice", seed=1,
                                                       part=np.tile(["train", "val", "test"], people))  # fmt: skip
    if overlap:
        split.to_csv(folder / "split.csv", index=False)
        mark_finished(folder)
    return folder


def test_the_report_is_one_file_with_everything_in_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", overlap=True)
    people = pd.DataFrame({"person": [f"P{person}<i>" for person in range(60)], "age": np.linspace(45, 95, 60)})
    people.to_csv(tmp_path / "people.csv", index=False)
    from core.evaluation.confounders import known_subjects

    known = known_subjects(tmp_path / "people.csv", aged_from=60, unknown_age=None)
    values = write_report(predictions_of_run(run), tmp_path / "report.html", known)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for heading in ("Metrics", "Confusion", "Curves, by subject", "Calibration", "Prediction sets", "Worst errors",
                    "What age, sex and site achieve alone", "Parts and heights"):  # fmt: skip
        assert f"<h2>{heading}</h2>" in page
    assert f"{values.by_subject['accuracy'].value:.3f} (" in page
    assert "people have slices in more than one part" in page  # the audit's warning
    assert "A &lt;tiny&gt; network" in page
    assert "<tiny>" not in page
    assert "P1<i>" not in page
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)
    assert page.count('class="plotly-graph-div"') == 10


def test_where_people_are_unknown_slices_are_counted_and_it_is_said(tmp_path: Path) -> None:
    values = write_report(predictions_of_run(write_run(tmp_path / "run", known=False)), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert values.by_subject is None
    assert "People are not known: the intervals take every slice for a person" in page
    assert "<h2>Curves, by slice</h2>" in page
    assert "<h2>Calibration</h2>" not in page


def test_the_worst_errors_are_the_furthest_and_the_surest_first() -> None:
    truth, probabilities = [0, 0, 3, 1], [[0, 0, 0, 2], [0, 0, 0, 4], [0, 0, 9, 0], [0, 5, 0, 0]]
    table = pd.DataFrame({"path": list("abcd"), "subject": list("ABCD"),
                          "label": [ALZHEIMER.classes[index] for index in truth]})  # fmt: skip
    for index, name in enumerate(ALZHEIMER.classes):
        table[f"logit {name}"] = [row[index] for row in probabilities]
    found = worst_errors(Predictions("tiny", "A tiny network", tiny_recipe(), "test", [table.assign(part="test")]))
    assert [row[0] for row in found.shown] == ["B", "A", "C"]
    assert found.wrong == 3
