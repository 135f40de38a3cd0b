import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.cohorts import audit_folder, read_split, split_by_slice, split_by_subject
from core.cohorts.synthetic.ood_images import PER_KIND, ood_images
from core.errors import BundleError
from core.networks.bundle import WEIGHTS_FILE, Bundle, bundle_names, open_bundle
from core.networks.inference.loading import load_predictor
from core.networks.ood import read_ood_model, write_ood_model
from core.networks.recipe import Phase
from core.networks.subset import Subset
from core.reporting.model_card import model_card
from core.reporting.text.evaluation import uncertainty_text
from core.reporting.text.verdict import nearest_text
from core.scans import Scan, read_scan, read_slice
from core.workflows import calibrate
from core.workflows.asked import knowing_of
from core.workflows.calibrate import calibrate_bundle
from core.workflows.train import Request, train_bundle

from ..conftest import head, tiny_recipe


@pytest.fixture(scope="module")
def tables(slice_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, found = tmp_path_factory.mktemp("tables"), audit_folder(slice_cohort).table
    made = {"person": split_by_subject(found, seed=2), "slice": split_by_slice(found, seed=2)}
    made["unknown"] = made["slice"].assign(subject="")
    for name, table in made.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return {name: folder / f"{name}.csv" for name in made}


def trained(table: Path, out: Path) -> Bundle:
    """A network that has learned something in seconds; MobileNetV2's BatchNorms would take longer to follow."""
    recipe = tiny_recipe(backbone="tiny", phases=(Phase("all", 1e-3, 3, 3),))
    return train_bundle(Request(recipe, table, out))


@pytest.fixture(scope="module")
def by_subject(tables: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return trained(tables["person"], tmp_path_factory.mktemp("runs") / "person")


def scan_of(grey: np.ndarray) -> Scan:
    return read_scan({"a.png": cv2.imencode(".png", np.clip(grey, 0, 255).astype(np.uint8))[1].tobytes()})


def test_a_training_leaves_a_bundle_that_knows_its_limits(by_subject: Bundle) -> None:
    calibration, ood = by_subject.card.calibration, by_subject.card.ood
    assert calibration is not None
    assert ood is not None
    assert calibration.scan.temperature > 0
    assert calibration.subject is None  # this recipe reads single slices only
    assert len(calibration.scan.bounds) == 4
    assert calibration.measured is not None
    assert calibration.measured.errors["by_slice"]["temperature"].log_loss > 0
    assert ood.unseen.part == "test"
    assert ood.kinds is not None
    rejected = {kind: found.rejected for kind, found in ood.kinds.items()}
    assert np.mean([rejected[kind] for kind in ("photographs", "textures", "noise", "empty")]) > 0.9
    assert not any("not calibrated" in limit for limit in by_subject.card.limits)
    nearest = by_subject.card.nearest
    assert nearest is not None
    assert nearest.by_subject is not None
    assert nearest_text(nearest) in model_card(by_subject)
    words = uncertainty_text(by_subject.card)
    assert "rejected as out of distribution" in words
    assert "calibration error by slice" in words


def test_predictions_carry_their_uncertainty(by_subject: Bundle) -> None:
    predictor = load_predictor(by_subject)
    cat = ood_images([head(1, 1)])["photographs"][15]
    known, photograph = predictor.predict([scan_of(head(40, 5)), scan_of(cat)])
    assert not known.rejected
    assert sum(known.probabilities.values()) == pytest.approx(1)
    assert known.answer in (known.possible or ())
    assert known.calibration is not None
    assert known.as_dict()["calibrated"] == (not known.calibration.doubt)
    temperature = by_subject.card.calibration.scan.temperature
    first, second = list(known.probabilities.values())[:2]
    assert np.log(first / second) == pytest.approx((known.logits[0] - known.logits[1]) / temperature, rel=1e-3)
    assert photograph.rejected
    said = photograph.as_dict()
    assert (said["answer"], said["probabilities"], said["prediction_set"]) == (None, None, None)
    assert sum(known.as_dict()["ood"]["similar"].values()) == 10
    for forced in (False, True):
        said = photograph.as_dict(force=forced)
        assert (said["answer"], said["probabilities"], said["prediction_set"]) == (None, None, None)
        assert not said["calibrated"]
        assert "similar" not in said["ood"]  # which stage it is nearest to is no answer either
    assert sum(photograph.as_dict(force=True)["raw_outputs"].values()) == pytest.approx(1)
    assert known.as_dict(force=True)["raw_outputs"] is None


@pytest.mark.parametrize(("split", "why"), [("slice", "people the network was trained on"), ("unknown", "told apart")])
def test_nobody_unseen_means_not_calibrated_but_foreign_scans_are_refused_all_the_same(
    tables: dict[str, Path], tmp_path: Path, split: str, why: str
) -> None:
    card = trained(tables[split], tmp_path / "run").card
    assert card.calibration is None
    assert any("not calibrated" in limit and why in limit for limit in card.limits)
    assert card.ood is not None
    assert card.ood.limit > 0


@pytest.mark.parametrize("count", [33, 34, 35, 48, 49])
def test_training_scans_are_remembered_evenly_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """A last batch of one or two scans may hold none of every third."""
    monkeypatch.setattr(calibrate, "MOST_KNOWN", -(-count // 3))
    scans, labels = np.arange(count, dtype=np.float32).reshape(-1, 1, 1, 1), np.zeros(count, np.int64)
    whose = np.array([f"{index}" for index in range(count)])
    part = Subset(scans, labels, whose, tuple(whose), "train")
    passed = calibrate.pass_over(lambda given: (given, np.zeros((len(given), 4), np.float32)), {"train": part})
    model = passed.ood_model
    remembered = (model.known @ model.axes + model.mean)[:, 0] ** 2  # signatures are square roots
    np.testing.assert_allclose(remembered, np.arange(0, count, 3), atol=0.05)
    assert len(passed.logits["train"]) == count


def test_calibrating_again_gives_the_same_and_another_split_is_refused(
    by_subject: Bundle, tables: dict[str, Path]
) -> None:
    from core.cohorts import read_split

    again = calibrate_bundle(by_subject, read_split(tables["person"])).card
    assert again.calibration.scan.temperature == pytest.approx(by_subject.card.calibration.scan.temperature, rel=1e-3)
    assert again.ood.limit == pytest.approx(by_subject.card.ood.limit, rel=1e-2)
    assert again.nearest == by_subject.card.nearest
    assert json.loads((by_subject.folder / "card.json").read_text())["ood"] == again.as_dict()["ood"]
    with pytest.raises(BundleError, match="another split"):
        calibrate_bundle(by_subject, read_split(tables["slice"]))


def test_a_bundle_knows_scans_like_those_it_was_trained_on_and_no_photographs(by_subject: Bundle, models: Path) -> None:
    folders = [str(by_subject.folder), str(models / "tiny")]  # the second has no OOD check, so it knows nothing
    assert knowing_of(folders, scan_of(head(40, 5))) == folders[:1]
    assert knowing_of(folders, scan_of(ood_images([head(1, 1)])["photographs"][15])) == []
    assert knowing_of([str(models / "none"), folders[0]], scan_of(head(40, 5))) == folders[:1]


@pytest.mark.parametrize("both_ways_up", [False, True])
def test_what_lies_upside_down_is_refused_only_where_the_set_says_which_way_is_up(
    tables: dict[str, Path], tmp_path: Path, both_ways_up: bool
) -> None:
    """Heads that are darker below, or half of them above: then one that fits better when turned is the set's own."""
    table, darker = read_split(tables["person"]), np.linspace(1, 0.3, 48)[:, None]
    for index, path in enumerate(table["path"]):
        grey = cv2.resize(cv2.imread(path, cv2.IMREAD_GRAYSCALE), (48, 48)) * darker
        cv2.imwrite(str(tmp_path / f"{index}.png"), grey[:: -1 if both_ways_up and index % 2 else 1].astype(np.uint8))
    table["path"] = [str(tmp_path / f"{index}.png") for index in range(len(table))]
    table.to_csv(tmp_path / "table.csv", index=False)
    bundle = trained(tmp_path / "table.csv", tmp_path / "run")
    assert bundle.card.recipe.knows_upright
    assert bundle.card.ood.tells_upright == bundle.card.knows_upright == (not both_ways_up)
    assert ("training scans upside down." in model_card(bundle)) == (not both_ways_up)
    over = scan_of((cv2.resize(head(40, 5), (48, 48)) * darker)[::-1])
    (prediction,) = load_predictor(bundle).predict([over])
    assert prediction.rejected == (not both_ways_up)
    assert (prediction.ood.turned is None) == both_ways_up
    assert bundle.card.ood.unseen.rejected.value < 0.2


def test_foreign_pictures_are_the_same_again_and_all_grey() -> None:
    slices = [head(person, 3) for person in range(PER_KIND + 5)]
    first, second = ood_images(slices), ood_images(slices)
    assert {"upside down", "photographs", "noise", "empty"} < set(first)
    for kind, pictures in first.items():
        assert all(one.ndim == 2 and one.min() >= 0 and one.max() <= 255.5 for one in pictures), kind
        for one, other in zip(pictures, second[kind], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(not bundle_names(), reason="no model in models/")
@pytest.mark.slow
def test_the_shipped_model_refuses_what_is_foreign_and_little_else(alzheimer_data: Path) -> None:
    predictor = load_predictor(open_bundle())
    tumours = sorted((alzheimer_data / "brain_tumor_mri").glob("*/*/*.jpg"))[::35]
    some = sorted((alzheimer_data / "alzheimer_mri_176x208").glob("*/*/*.jpg"))[::40]
    ood_rejection = ood_images([read_slice({one.name: one.read_bytes()}).grey() for one in some])
    kinds = {kind: [scan_of(one) for one in found] for kind, found in ood_rejection.items()}
    kinds["tumours"] = [read_scan({one.name: one.read_bytes()}) for one in tumours]
    rejected = {kind: np.mean([one.rejected for one in predictor.predict(scans)]) for kind, scans in kinds.items()}
    assert np.mean(list(rejected.values())) >= 0.95, rejected
    assert rejected["tumours"] >= 0.95
    unseen = predictor.bundle.card.ood.unseen.rejected
    assert unseen.value <= 0.05
    assert unseen.low < unseen.high


def test_another_ood_model_is_refused_until_the_bundle_is_calibrated_anew(
    by_subject: Bundle, tables: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(by_subject.folder, tmp_path / "copy"))
    load_predictor(open_bundle(folder))
    model = read_ood_model(folder)
    write_ood_model(folder, replace(model, mean=model.mean + 1))
    with pytest.raises(BundleError, match=r"ood\.safetensors of tiny is not the file .* or run stagelens calibrate"):
        load_predictor(open_bundle(folder))
    calibrated = calibrate_bundle(open_bundle(folder), read_split(tables["person"]))
    assert calibrated.card.digests[WEIGHTS_FILE] == by_subject.card.digests[WEIGHTS_FILE]
    assert open_bundle(folder).card.as_dict() == calibrated.card.as_dict()
    load_predictor(calibrated)
