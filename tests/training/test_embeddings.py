"""Phases on stored embeddings, S3's four stages, and classic classifiers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.cohorts.tasks import ALZHEIMER
from core.errors import TrainingError
from core.evaluation.evaluation import evaluate
from core.evaluation.predictions import predictions_of_phase, predictions_of_run
from core.networks.architectures.network import Network, build_network
from core.networks.backend import compile_forward
from core.networks.recipe import Augmentation, Classic, Head, Oversampling, Phase, Recipe
from core.networks.subset import load_subset
from core.networks.weights.storage import load_tensors
from core.runs.folder import balanced_counts
from core.training.embeddings import EmbeddingStore
from core.training.listeners import SILENT
from core.training.phases import PhaseData, Run, run_phase
from core.training.train import TrainingConfig, train
from core.workflows.train import Request, run_training

from ..conftest import tiny_recipe

LIVELY = {"backbone": "tiny", "height": 32, "width": 32}  # the tiny one's random features are all but nought
HEAD = Phase("head", 1e-2, 3, 3)
STAGES = ("base", "embed", "balance", "classify")
S3 = (
    Phase("all", 1e-3, 1, 1),
    Phase("head", 1e-2, 2, 2, fresh_head=True, oversampling=Oversampling("smote", 6, 2)),
)


def weights(network: Network) -> list[np.ndarray]:
    return [np.asarray(variable) for variable in network.head.weights]


def test_the_head_trained_on_embeddings_is_the_one_trained_through_the_frozen_backbone(
    cohort: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(**LIVELY, phases=(HEAD,), head=Head((16,), 0.3))
    split = pd.read_csv(cohort / "alzheimer_slices.csv")
    train_part, val = (load_subset(split, name, recipe) for name in ("train", "val"))
    through = build_network(recipe, for_training=True)
    (tmp_path / "through").mkdir()
    data = PhaseData(
        through.whole,
        compile_forward(through),
        lambda _: (train_part.scans, train_part.labels),
        (val.scans, val.labels),
    )
    run_phase(Run(tmp_path / "through", through, SILENT), HEAD, 1, data, state=None)
    trained = train(TrainingConfig(recipe, cohort / "alzheimer_slices.csv", tmp_path / "stored"))
    assert trained.network is not None
    start = load_tensors(tmp_path / "stored" / "phase0.safetensors")
    assert np.abs(start["logits/kernel"] - weights(trained.network)[-2]).max() > 0.01  # it has learned at all
    for one, other in zip(weights(through), weights(trained.network), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    logs = [pd.read_csv(tmp_path / name / "phase1_log.csv")["val_loss"] for name in ("through", "stored")]
    np.testing.assert_allclose(*logs, atol=1e-4)


def test_embeddings_are_computed_once_and_shared_between_runs(cohort: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(**LIVELY, phases=(HEAD,))
    shared = tmp_path / "shared"
    train(TrainingConfig(recipe, cohort / "alzheimer_slices.csv", tmp_path / "one", embeddings=shared))
    files = {path: path.stat().st_mtime_ns for path in shared.glob("*/*.npy")}
    assert len(files) == 3
    longer = replace(recipe, phases=(replace(HEAD, epochs=4),))
    train(TrainingConfig(longer, cohort / "alzheimer_slices.csv", tmp_path / "two", embeddings=shared))
    assert {path: path.stat().st_mtime_ns for path in shared.glob("*/*.npy")} == files
    table = pd.read_csv(next(shared.glob("*/*.csv")))
    assert list(table.columns) == ["index", "label", "subject", "sha256"]
    other_weights = replace(recipe, seed=99)
    train(TrainingConfig(other_weights, cohort / "alzheimer_slices.csv", tmp_path / "three", embeddings=shared))
    assert len(list(shared.glob("*/*.npy"))) == 6


def test_augmented_views_differ_from_each_other_and_are_used_in_turn(cohort: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(
        **LIVELY, phases=(replace(HEAD, views=2, epochs=3),), augmentation=Augmentation(rotation_degrees=20, shift=0.1)
    )
    trained = train(TrainingConfig(recipe, cohort / "alzheimer_slices.csv", tmp_path / "run"))
    files = (tmp_path / "run" / "embeddings").glob("*/*_view?.npy")
    stored = ((path.name.split("_")[-1], np.load(path)) for path in files)
    views = {name: embeddings for name, embeddings in stored if len(embeddings) == 12}
    assert views.keys() == {"view1.npy", "view2.npy"}
    begins = tuple(f"{part}_{recipe.backbone}_" for part in ("train", "val", "test"))
    assert all(path.name.startswith(begins) for path in (tmp_path / "run" / "embeddings").glob("*/*.npy"))
    assert np.abs(views["view1.npy"] - views["view2.npy"]).max() > 1e-3
    assert trained.network is not None
    store = EmbeddingStore(tmp_path / "again", trained.network)
    np.testing.assert_array_equal(store.get(trained.parts["train"], 1), views["view1.npy"])


@pytest.fixture(scope="module")
def s3_recipe() -> Recipe:
    return tiny_recipe(**LIVELY, phases=S3, head=Head((8,), 0.2))


def test_s3_run_in_four_stages_gives_the_same_as_at_once(cohort: Path, tmp_path: Path, s3_recipe: Recipe) -> None:
    table = cohort / "alzheimer_slices.csv"
    train(TrainingConfig(s3_recipe, table, tmp_path / "once"))
    for stage in STAGES:
        trained = train(TrainingConfig(s3_recipe, table, tmp_path / "stages", only=stage))
        assert trained.finished == (stage == "classify")
    once, stages = (load_tensors(tmp_path / name / "phase2.safetensors") for name in ("once", "stages"))
    for name, value in once.items():
        np.testing.assert_array_equal(stages[name], value)
    with np.load(tmp_path / "stages" / "balanced2_view0.npz") as balanced:
        assert np.bincount(balanced["labels"]).tolist() == [6, 6, 6, 6]


def test_a_run_stands_beside_its_own_base_with_recall_and_counts_of_each_class(
    cohort: Path, tmp_path: Path, s3_recipe: Recipe
) -> None:
    said: list[str] = []

    class Heard(type(SILENT)):  # type: ignore[misc]
        def say(self, sentence: str) -> None:
            said.append(sentence)

    split = pd.read_csv(cohort / "alzheimer_slices.csv")
    moderate = split.index[(split["label"] == ALZHEIMER.classes[3]) & (split["part"] == "train")]
    rare = split.drop(moderate[2:])
    rare.to_csv(tmp_path / "rare.csv", index=False)
    run_training(Request(s3_recipe, tmp_path / "rare.csv", tmp_path / "run"), listener=Heard())
    trained_on = rare[rare["part"] == "train"]["label"].value_counts()
    counts = {name: (int(trained_on[name]), max(6, int(trained_on[name]))) for name in ALZHEIMER.classes}
    assert balanced_counts(tmp_path / "run") == counts
    fewest = ALZHEIMER.classes[3]
    assert any(f"{fewest} {counts[fewest][0]} to 6" in sentence for sentence in said)
    asked = CliRunner().invoke(app, ["compare", str(tmp_path / "run"), "--phase", "1", "--json"])
    values = json.loads(asked.stdout)
    assert values["training_scans_and_embeddings"] == {name: list(pair) for name, pair in counts.items()}
    own, base = values["networks"].values()
    for found, name in ((own, predictions_of_run(tmp_path / "run")), (base, predictions_of_phase(tmp_path / "run", 1))):
        assert found["by_slice"]["by_class"] == json.loads(json.dumps(evaluate(name).as_dict()["by_slice"]["by_class"]))
    text = CliRunner().invoke(app, ["compare", str(tmp_path / "run"), "--phase", "1"]).stdout
    assert "recall by subject" in text
    assert "embeddings after oversampling" in text
    both = ["compare", str(tmp_path / "run"), str(tmp_path / "run"), "--phase", "1"]
    assert CliRunner().invoke(app, both).exit_code == 2


def test_a_stage_says_which_one_it_needs(cohort: Path, tmp_path: Path, s3_recipe: Recipe) -> None:
    table = cohort / "alzheimer_slices.csv"

    def order(stage: str) -> TrainingConfig:
        return TrainingConfig(s3_recipe, table, tmp_path / "run", only=stage)

    with pytest.raises(TrainingError, match="the stage embed needs the stage base"):
        train(order("embed"))
    train(order("base"))
    with pytest.raises(TrainingError, match="the stage balance needs the stage embed"):
        train(order("balance"))
    train(order("embed"))
    with pytest.raises(TrainingError, match="the stage classify needs the stage balance"):
        train(order("classify"))
    plain = tiny_recipe(augmentation=Augmentation(flip_horizontal=True))
    with pytest.raises(TrainingError, match="tiny has no stages"):
        train(TrainingConfig(plain, table, tmp_path / "plain", only="base"))


@pytest.mark.parametrize("kind", ["logistic_regression", "svm", "nearest_neighbours"])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_a_classic_classifier_learns_pixels(kind: str, kernel: str, cohort: Path, tmp_path: Path) -> None:
    if kernel == "rbf" and kind != "svm":
        pytest.skip("only the support vector machine has a kernel")
    recipe = tiny_recipe(phases=(), backbone="pixels", height=32, width=32, classic=Classic(kind, kernel=kernel))
    outcome = run_training(Request(recipe, cohort / "alzheimer_slices.csv", tmp_path / "run"))
    assert outcome.bundle is None
    assert outcome.card is not None
    assert outcome.card.by_slice["accuracy"].value == 1.0  # the classes differ in brightness
    assert (tmp_path / "run" / "predictions.csv").exists()


def test_a_classic_classifier_takes_embeddings_components_and_voxels(cohort: Path, tmp_path: Path) -> None:
    on_embeddings = tiny_recipe(**LIVELY, phases=(), classic=Classic("logistic_regression", components=4))
    trained = train(TrainingConfig(on_embeddings, cohort / "alzheimer_slices.csv", tmp_path / "embeddings"))
    assert trained.logits["test"].shape == (4, 4)
    voxels = tiny_recipe(phases=(), backbone="pixels", depth=32, height=32, width=32, classic=Classic("svm"))
    on_voxels = train(TrainingConfig(voxels, cohort / "alzheimer_volumes.csv", tmp_path / "voxels"))
    assert on_voxels.logits["test"].argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_a_3d_network_trains_and_leaves_a_bundle(cohort: Path, tmp_path: Path) -> None:
    size = {"depth": 32, "height": 32, "width": 32}
    phases, augmentation = (Phase("all", 1e-3, 1, 1),), Augmentation(rotation_degrees=5)
    recipe = tiny_recipe(backbone="simple3dcnn", **size, phases=phases, batch_size=4, augmentation=augmentation)
    request = Request(recipe, cohort / "alzheimer_volumes.csv", tmp_path / "run")
    bundle = run_training(request).bundle
    assert bundle is not None
    assert bundle.recipe.depth == 32
    assert bundle.card.by_subject.n == 4


def test_many_scans_are_kept_in_a_file_and_mapped(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.networks.subset.IN_MEMORY", 100)
    split = pd.read_csv(cohort / "alzheimer_slices.csv")
    mapped = load_subset(split, "train", tiny_recipe(), store=tmp_path)
    assert isinstance(mapped.scans, np.memmap)
    np.testing.assert_array_equal(mapped.scans, load_subset(split, "train", tiny_recipe()).scans)
