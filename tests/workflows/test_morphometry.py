"""Morphometric models from a split of volumes to an answer with its exact heatmap, as any recipe goes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import CohortError, StageLensError, TrainingError
from core.explain import explain_arrays
from core.files import write_table
from core.networks.bundle import Bundle, open_bundle
from core.networks.inference.loading import load_predictor
from core.networks.inference.predictor import Predictor
from core.networks.recipe import Covariates, Morphometry, Recipe, Slices
from core.networks.subset import load_subset
from core.runs.folder import predictions_table
from core.scans.writing import write_nifti
from core.workflows.train import Request, run_training

from ..conftest import CLASSES, ROOT
from ..morphometry import phantoms

RECIPE = Recipe(
    name="tissue_tiny",
    title="Tissue maps of phantoms",
    task="alzheimer",
    backbone="tissue",
    depth=phantoms.SHAPE[0],
    height=phantoms.SHAPE[1],
    width=phantoms.SHAPE[2],
    slices=Slices(lowest_mm=0, highest_mm=phantoms.SHAPE[0] - 1),
    morphometry=Morphometry("tissue_maps"),
    covariates=Covariates(age=True),
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write phantoms of 72 people, their split, and a table of their ages, two of which are unknown."""
    folder = tmp_path_factory.mktemp("phantoms")
    rng, rows, ages = np.random.default_rng(0), [], []
    for number in range(72):
        stage, age = (0, 1, 0, 2)[number % 4], float(rng.uniform(55, 90))
        scan = phantoms.slab(rng, 5 + 0.12 * (age - 55) + 1.5 * stage + rng.normal(0, 0.4))
        path = folder / f"{number:02d}.nii.gz"
        write_nifti(path, np.ascontiguousarray(scan[:, :, ::-1].transpose(2, 1, 0).round().astype(np.uint8)), np.eye(4))
        part = "test" if number % 6 == 5 or number % 12 == 0 else "val" if number % 12 in {3, 4} else "train"
        rows.append((str(path), CLASSES[stage], f"P{number:02d}", 0, part, "subject", 1))
        ages.append((f"P{number:02d}", age if number not in {10, 17} else np.nan))
    columns = ["path", "label", "subject", "slice", "part", "by", "seed"]
    write_table(folder / "split.csv", pd.DataFrame(rows, columns=columns))
    write_table(folder / "people.csv", pd.DataFrame(ages, columns=["subject", "age"]))
    return folder


@pytest.fixture(scope="module")
def run(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    run_training(Request(RECIPE, cohort / "split.csv", out, people=cohort / "people.csv"))
    return out


@pytest.fixture
def bundle(run: Path) -> Bundle:
    return open_bundle(run / "bundle")


@pytest.fixture
def predictor(bundle: Bundle) -> Predictor:
    return load_predictor(bundle)


def logits_of(table: pd.DataFrame) -> np.ndarray:
    return table[[f"logit {name}" for name in CLASSES]].to_numpy(np.float32)


def test_a_bundle_answers_as_its_run_did_with_the_age_and_without(
    cohort: Path, run: Path, predictor: Predictor
) -> None:
    table = predictions_table(run)
    tested = table[table["part"] == "test"].reset_index(drop=True)
    scans = load_subset(pd.read_csv(cohort / "split.csv", dtype={"subject": str}), "test", RECIPE).scans
    ages = dict(pd.read_csv(cohort / "people.csv").to_numpy().tolist())
    plain = predictor.logits_of(scans.astype(np.float32))
    for index, subject in enumerate(tested["subject"]):
        age = ages[subject]
        known = np.isfinite(age)
        one = predictor.for_age(age) if known else predictor
        prediction = one.predict_whole("scan", scans[index, ..., 0].astype(np.float32))
        assert prediction.logits == pytest.approx(logits_of(tested)[index], abs=1e-3)
        assert prediction.as_dict(force=True)["age"] == (age if known else None)
        assert known != np.allclose(prediction.logits, plain[index], atol=1e-3)


def test_the_card_has_the_metrics_of_people_it_has_not_seen_and_says_how_far_to_believe_it(bundle: Bundle) -> None:
    card = bundle.card
    assert card.by_subject is not None
    assert card.by_subject.n == 18
    assert card.by_subject["accuracy"].value > 0.5
    assert card.calibration is not None
    assert card.ood is not None
    assert card.confounders is not None
    assert card.confounders.groups[0].covariates[0].name == "age"
    assert card.title == "Ridge on tissue maps, 32 × 80 × 64, with age"


def test_what_is_no_head_is_rejected(predictor: Predictor) -> None:
    rng = np.random.default_rng(1)
    for scan in (np.zeros(phantoms.SHAPE), rng.uniform(0, 255, phantoms.SHAPE), np.indices(phantoms.SHAPE)[1] * 3.0):
        assert predictor.predict_whole("scan", scan.astype(np.float32)).rejected


def test_the_heatmap_is_exact(cohort: Path, predictor: Predictor) -> None:
    scans = load_subset(pd.read_csv(cohort / "split.csv", dtype={"subject": str}), "test", RECIPE).scans
    images = [one[..., 0].astype(np.float32) for one in scans[:4]]
    for one in (predictor, predictor.for_age(72)):
        for_ill = explain_arrays(one, images, ["Mild Demented"] * 4, "contributions")
        against = explain_arrays(one, images, ["Non Demented"] * 4, "contributions")
        for mine, other in zip(for_ill, against, strict=True):
            found = mine.checks
            assert found["score_of_healthy"] + found["sum"] == pytest.approx(found["score"], abs=1e-5)
            assert mine.heatmap.sum(dtype=np.float64) == pytest.approx(found["sum"], abs=1e-4)
            assert sum(found["by_tissue"].values()) == pytest.approx(found["sum"], abs=1e-4)
            assert found["age_used"] == one.age
            assert (other.heatmap == -mine.heatmap).all()
            assert "Exact" in mine.sentence


def test_methods_and_models_that_do_not_fit_say_so(predictor: Predictor, tiny_bundle: Bundle) -> None:
    scan = phantoms.slab(np.random.default_rng(2), 7.0)
    for method in ("integrated-gradients", "occlusion", "grad-cam"):
        with pytest.raises(StageLensError, match="is a morphometric model: its heatmap is the method contributions"):
            explain_arrays(predictor, [scan], [None], method)
    with pytest.raises(StageLensError, match="no network: it has no layers, gradients or exports"):
        predictor.input_gradient(predictor.inputs([scan]), np.array([0]))
    network = load_predictor(tiny_bundle)
    with pytest.raises(StageLensError, match="is a network; choose another method"):
        explain_arrays(network, [np.zeros((40, 40), np.float32)], [None], "contributions")
    with pytest.raises(StageLensError, match="does not ask for age"):
        network.for_age(70)
    for age in (0, -3, 200, float("nan")):
        with pytest.raises(StageLensError, match="an age is given in years"):
            predictor.for_age(age)


def test_a_run_is_resumed_with_the_same_people_only(cohort: Path, run: Path, tmp_path: Path) -> None:
    same = Request(RECIPE, cohort / "split.csv", run, people=cohort / "people.csv", resume=True)
    assert run_training(same).bundle is not None
    other = pd.read_csv(cohort / "people.csv").assign(age=lambda table: table["age"] + 1)
    write_table(tmp_path / "older.csv", other)
    with pytest.raises(TrainingError, match="table of people"):
        run_training(Request(RECIPE, cohort / "split.csv", run, people=tmp_path / "older.csv", resume=True))


def test_without_ages_a_recipe_that_asks_for_them_is_refused(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"asks for age.*--people"):
        run_training(Request(RECIPE, cohort / "split.csv", tmp_path / "run"))


def test_a_table_in_which_nobody_is_tested_is_refused_before_anything_is_trained(cohort: Path, tmp_path: Path) -> None:
    write_table(tmp_path / "others.csv", pd.DataFrame({"subject": ["Q1", "Q2"], "age": [70, 80]}))
    with pytest.raises(CohortError, match="none of these scans is in the table of people"):
        run_training(Request(RECIPE, cohort / "split.csv", tmp_path / "run", people=tmp_path / "others.csv"))
    assert not (tmp_path / "run").exists()


def test_an_answer_loads_no_network_library(bundle: Bundle) -> None:
    code = (
        "import sys, json, numpy as np\n"
        "from core.networks.bundle import open_bundle\n"
        "from core.networks.inference.loading import load_predictor\n"
        f"predictor = load_predictor(open_bundle({str(bundle.folder)!r})).for_age(70)\n"
        f"predictor.predict_whole('scan', np.zeros({phantoms.SHAPE}, np.float32))\n"
        "heavy = ('keras', 'tensorflow', 'torch', 'jax', 'sklearn')\n"
        "print(json.dumps([name for name in heavy if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
