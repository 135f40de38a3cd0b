from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cohorts import audit_folder
from core.cohorts.cohort import index_folder
from core.errors import CohortError, StageLensError
from core.evaluation.bootstrap import fraction_over_people
from core.networks.recipe_files import read_recipe
from core.workflows.leakage import BASELINE, SCHEMES, measure_leakage, permuted

from ..conftest import tiny_recipe
from ..training.test_train import Listening


def test_the_nearest_picture_knows_people_and_not_their_class(slice_cohort: Path) -> None:
    found = measure_leakage(audit_folder(slice_cohort).table, read_recipe(BASELINE))
    assert (found.slices, found.people) == (240, 20)
    assert found.accuracy("by_slice").value > 0.95
    assert found.accuracy("permuted_labels").value > 0.95  # random labels are learned just as well: it is the people
    assert found.accuracy("by_subject").value < 0.6  # the heads' texture knows nothing of their class
    assert found.accuracy("permuted_labels_by_subject").value < 0.6
    assert (found.largest_class, found.always_largest) == ("Non Demented", 0.4)
    assert [scheme.name for scheme in found.schemes] == [scheme.name for scheme in SCHEMES]
    for scheme in found.schemes:
        assert scheme.accuracy.low <= scheme.accuracy.value <= scheme.accuracy.high
    width = {name: found.accuracy(name).high - found.accuracy(name).low for name in ("by_slice", "by_subject")}
    assert width["by_subject"] > width["by_slice"] > 0.1  # all are right, of 20 people only


@pytest.mark.slow
def test_a_network_is_trained_in_every_way_and_goes_on_where_it_was(slice_cohort: Path, tmp_path: Path) -> None:
    table, listener = audit_folder(slice_cohort).table, Listening()
    recipe = tiny_recipe(phases=tiny_recipe().phases[:1])
    with pytest.raises(StageLensError, match="tiny trains a network; give a folder for its runs with --out"):
        measure_leakage(table, recipe)
    first = measure_leakage(table, recipe, out=tmp_path / "leak", listener=listener)
    began = len([sentence for sentence in listener.said if sentence.startswith("phase 1")])
    again = measure_leakage(table, recipe, out=tmp_path / "leak")
    assert began == len(SCHEMES)
    assert again.as_dict() == first.as_dict()


def test_lots_keep_people_whole_and_classes_as_large() -> None:
    people = np.repeat(np.arange(50), 4)
    labels = np.repeat(np.array(["a"] * 30 + ["b"] * 20), 4)
    drawn = permuted(labels, people, seed=3)
    assert all(len(set(drawn[people == person])) == 1 for person in range(50))
    assert sorted(drawn) == sorted(labels)
    assert (drawn != labels).any()


def test_an_interval_over_people_is_wide_where_slices_go_together() -> None:
    people = np.repeat(np.arange(40), 25)
    together = np.repeat(np.arange(40) % 2 == 0, 25)
    apart = np.tile(np.arange(25) % 2 == 0, 40)
    wide, narrow = (fraction_over_people(right, people) for right in (together, apart))
    assert wide.high - wide.low > 0.2
    assert narrow.high - narrow.low < 0.01


def test_without_people_there_is_nothing_to_compare(slice_cohort: Path) -> None:
    table = audit_folder(slice_cohort).table
    with pytest.raises(CohortError, match="people cannot be told apart"):
        measure_leakage(table.assign(subject=""), read_recipe(BASELINE))
    few = table[table["subject"].isin(sorted(set(table["subject"]))[:6])]
    with pytest.raises(CohortError, match="10 people or more are needed; there are 6"):
        measure_leakage(few, read_recipe(BASELINE))


@pytest.mark.slow
def test_on_the_real_set_the_published_figure_is_a_leak(alzheimer_data: Path) -> None:
    table, _ = index_folder(alzheimer_data / "alzheimer_mri")
    people = pd.read_csv(alzheimer_data / "alzheimer_people.csv")
    people["path"] = [(alzheimer_data / path).as_posix() for path in people["path"]]
    table["subject"] = table["path"].map(people.set_index("path")["person"])
    found = measure_leakage(table, read_recipe(BASELINE))
    assert found.accuracy("by_slice").value == pytest.approx(0.998, abs=0.001)
    assert found.accuracy("by_subject").value == pytest.approx(0.5, abs=0.02)
    assert found.accuracy("permuted_labels").value > 0.99
