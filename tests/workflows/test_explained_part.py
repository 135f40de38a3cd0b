"""A part of a split, explained as a whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.cohorts import read_split
from core.errors import StageLensError
from core.evaluation.bootstrap import mean_over_people
from core.evaluation.predictions import predictions_of_bundle
from core.explain import explain_arrays, heatmap_on_scan
from core.explain.checks.stability import stability
from core.networks.bundle import Bundle
from core.networks.inference.loading import load_predictor
from core.networks.inference.prediction import Prediction
from core.networks.inference.predictor import Predictor
from core.networks.subset import load_subset
from core.reporting.pictures.part import save_part, tile
from core.scans import Scan
from core.workflows.explain.part import drawn_evenly, explain_part

from ..conftest import tiny_recipe, write_tiny_bundle


@pytest.fixture(scope="module")
def predictor(tiny_bundle: Bundle) -> Predictor:
    return load_predictor(tiny_bundle)


@pytest.fixture(scope="module")
def split(cohort: Path) -> pd.DataFrame:
    return read_split(cohort / "alzheimer_slices.csv")


def test_every_scan_of_a_part_gets_the_heatmap_and_the_answer_it_gets_alone(
    predictor: Predictor, tiny_bundle: Bundle, split: pd.DataFrame
) -> None:
    found = explain_part(predictor, split, "train")
    rows = split[split["part"] == "train"]
    assert found.table["path"].tolist() == rows["path"].tolist()
    data = load_subset(split, "train", tiny_bundle.recipe)
    for row in (0, len(rows) // 2, len(rows) - 1):
        (alone,) = explain_arrays(predictor, [data.scans[row, ..., 0].astype(np.float32)], [None])
        together = found.explanations[row]
        assert together is not None
        np.testing.assert_allclose(together.heatmap, alone.heatmap, atol=1e-5)
        assert found.table["peak"][row] == pytest.approx(alone.peak, abs=1e-5)
        assert found.table["explained_class"][row] == alone.class_name
    asked = predictions_of_bundle(tiny_bundle, split, part="train").rows("train")
    logits = asked[[f"logit {name}" for name in tiny_bundle.recipe.classes]].to_numpy()
    assert found.table["answer"].tolist() == [tiny_bundle.recipe.classes[one] for one in logits.argmax(axis=1)]


def test_the_mean_heatmap_of_a_class_counts_every_scan_alike(predictor: Predictor, split: pd.DataFrame) -> None:
    found = explain_part(predictor, split, class_name="mild demented")
    assert list(found.means) == ["Mild Demented"]
    drawn = [one for one in found.explanations if one is not None and not one.is_empty]
    maps = [np.maximum(heatmap_on_scan(one), 0) for one in drawn]
    expected = np.mean([one / one.sum() for one in maps], axis=0)
    mean = found.means["Mild Demented"]
    np.testing.assert_allclose(mean.explanation.heatmap, expected, rtol=1e-5)
    assert (mean.scans, mean.people) == (len(drawn), len(drawn))
    np.testing.assert_allclose(heatmap_on_scan(mean.explanation), expected, rtol=1e-5)


def test_stability_of_a_part_is_the_mean_of_its_scans_and_its_table_has_each(
    predictor: Predictor, split: pd.DataFrame
) -> None:
    found = explain_part(predictor, split, at_most=2, class_name="mild demented", checks=["stability", "faithfulness"])
    alone = []
    for path in found.table["path"]:
        picture = np.asarray(Image.open(path), np.float32)
        seen = np.rint(np.clip(predictor.inputs([picture])[0, ..., 0], 0, 255))
        alone.append(stability(predictor, Scan(seen, (0.0, 255.0), "one", "test"), "mild demented"))
    assert set(found.steadiness) == set(alone[0].kinds)
    for name, one in found.steadiness.items():
        means = [each.kinds[name].measures["ssim"].mean for each in alone]
        assert one.measures["ssim"].value == pytest.approx(np.mean(means))
        np.testing.assert_allclose(found.table[f"ssim {name}"], means)
    assert found.stable is not None
    assert found.stable.value == np.mean([one.holds for one in alone])
    assert found.held is not None
    assert found.held.value == np.mean([one.class_held == 1 for one in alone])
    assert found.table["deletion_auc"].between(0, 1).all()


def test_scans_are_drawn_from_all_labels_and_from_as_many_people_as_there_are() -> None:
    rows = pd.DataFrame(
        [("a", "p1")] * 8 + [("a", "p2")] * 2 + [("b", "p3")] * 3 + [("b", "")] * 2, columns=["label", "subject"]
    )
    drawn = rows.loc[drawn_evenly(rows, 4, seed=0)]
    assert sorted(drawn["label"]) == ["a", "a", "b", "b"]
    assert set(drawn[drawn["label"] == "a"]["subject"]) == {"p1", "p2"}
    assert drawn_evenly(rows, 4, seed=0) == drawn_evenly(rows, 4, seed=0)
    assert sorted(drawn_evenly(rows, 99, seed=1)) == list(range(len(rows)))


def test_a_rejected_scan_has_no_answer_and_no_heatmap_until_a_class_is_named(
    predictor: Predictor, split: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = Path(split[split["part"] == "test"]["path"].iloc[0]).stem
    monkeypatch.setattr(Prediction, "rejected", property(lambda self: self.scan == first))
    found = explain_part(predictor, split)
    assert found.explanations[0] is None
    assert found.table["rejected"].tolist() == [True] + [False] * (len(found.table) - 1)
    assert found.table.loc[0, ["answer", "explained_class", "p Mild Demented"]].isna().all()
    heatmaps = np.load(save_part(found, tmp_path)["heatmaps"])
    assert np.isnan(heatmaps[0]).all()
    assert np.isfinite(heatmaps[1:]).all()
    named = explain_part(predictor, split, class_name="mild demented")
    assert named.explanations[0] is not None
    assert named.table["answer"].isna()[0]


def test_a_network_of_volumes_shows_the_slice_with_the_strongest_evidence(cohort: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(name="tiny3d", backbone="tiny3d", depth=32, height=32, width=32)
    predictor = load_predictor(write_tiny_bundle(tmp_path / "tiny3d", recipe))
    found = explain_part(predictor, read_split(cohort / "alzheimer_volumes.csv"), class_name="mild demented", at_most=4)
    files = save_part(found, tmp_path / "out")
    assert np.load(files["heatmaps"]).shape[0] == 4
    mean = found.means["Mild Demented"]
    assert mean.image.shape == mean.explanation.heatmap.shape == (32, 32, 32)
    marked = np.zeros((32, 32, 32), np.float32)
    marked[11, 3, 20] = 1
    image = np.tile(np.arange(32, dtype=np.float32)[:, None, None], (1, 32, 32))
    drawn = tile(image, replace(mean.explanation, heatmap=marked))
    assert np.median(drawn) == 11


def test_a_mean_over_people_has_the_interval_of_people_and_leaves_out_what_is_undefined() -> None:
    values = np.array([1.0, 1.0, 0.0, np.nan])
    found = mean_over_people(values, np.array([0, 0, 1, 2]))
    assert found.value == pytest.approx(2 / 3)
    assert (found.low, found.high) == (0.0, 1.0)  # only one person of the two is drawn, now and then
    assert not mean_over_people(np.array([np.nan]), np.array([0])).defined


def test_a_second_part_in_the_same_folder_leaves_nothing_of_the_first(
    predictor: Predictor, split: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "of_mine.txt").write_text("kept")
    first = save_part(explain_part(predictor, split), tmp_path)
    assert (tmp_path / "mean-maps.png").is_file()
    monkeypatch.setattr(Prediction, "rejected", property(lambda self: True))
    second = save_part(explain_part(predictor, split), tmp_path)
    assert set(first) > set(second)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in second.values()} | {"of_mine.txt"}


def test_regions_are_refused_for_a_split_which_says_no_heights(predictor: Predictor, split: pd.DataFrame) -> None:
    with pytest.raises(StageLensError, match="no split says"):
        explain_part(predictor, split, method="regions")


def test_stability_of_volumes_is_refused(cohort: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(name="tiny3d", backbone="tiny3d", depth=32, height=32, width=32)
    predictor = load_predictor(write_tiny_bundle(tmp_path / "tiny3d", recipe))
    with pytest.raises(StageLensError, match="networks of slices"):
        explain_part(predictor, read_split(cohort / "alzheimer_volumes.csv"), checks=["stability"])
