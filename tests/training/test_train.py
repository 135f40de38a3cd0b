from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from core.cohorts import audit_folder, read_split, split_by_slice, split_by_subject
from core.errors import BundleError, RecipeError, TrainingError
from core.evaluation.evaluation import evaluate, evaluate_bundle
from core.evaluation.predictions import predictions_for, predictions_of_run
from core.networks.architectures.augmentation import RandomView
from core.networks.bundle import Bundle, open_bundle
from core.networks.recipe import Augmentation, Imbalance, Phase, Recipe
from core.networks.recipe_files import recipe_from, recipe_values, with_settings
from core.networks.subset import load_subset
from core.networks.weights.storage import load_tensors
from core.networks.weights.tensors import tensors_of
from core.results import write
from core.training.listeners import Silent
from core.training.phases import COLUMNS, mean_loss
from core.training.train import TrainingConfig, train
from core.workflows.export import export_phase
from core.workflows.train import Request, train_bundle

from ..conftest import tiny_recipe


class Killed(BaseException):
    """Stands for a kill at some batch."""


class Listening(Silent):
    """Keeps what it is told; a kill at some batch of some epoch, if asked for."""

    def __init__(self, *, kill_at: tuple[str, int] | None = None) -> None:
        self.said: list[str] = []
        self._title, self._kill_at = "", kill_at

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def epoch_begins(self, title: str, batches: int) -> None:
        self._title = title

    def batch_ends(self, batch: int, metrics: Mapping[str, float]) -> None:
        if (self._title, batch) == self._kill_at:
            raise Killed


@pytest.fixture(scope="module")
def splits(slice_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    table, folder = audit_folder(slice_cohort).table, tmp_path_factory.mktemp("splits")
    for name, split in (("person", split_by_subject), ("slice", split_by_slice)):
        split(table, seed=1).to_csv(folder / f"{name}.csv", index=False)
    return {name: folder / f"{name}.csv" for name in ("person", "slice")}


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return tiny_recipe(imbalance=Imbalance(class_weights=True), augmentation=Augmentation(flip_horizontal=True))


@pytest.fixture(scope="module")
def run(recipe: Recipe, splits: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Path]:
    out = tmp_path_factory.mktemp("runs") / "person"
    return train_bundle(Request(recipe, splits["person"], out)), out


def test_each_phase_leaves_a_log_with_the_same_columns_and_a_checkpoint(
    run: tuple[Bundle, Path], recipe: Recipe
) -> None:
    _, out = run
    for number, phase in enumerate(recipe.phases, start=1):
        log = pd.read_csv(out / f"phase{number}_log.csv")
        assert tuple(log.columns) == COLUMNS
        assert log["epoch"].tolist() == list(range(1, len(log) + 1))
        assert len(log) <= phase.epochs
        assert (out / f"phase{number}.safetensors").exists()


def test_a_phase_is_evaluated_and_exported_as_it_left_the_network(run: tuple[Bundle, Path], tmp_path: Path) -> None:
    bundle, out = run
    told = predictions_of_run(out).asked
    first, last = (predictions_for(out, phase=number) for number in (1, 2))
    logits = [f"logit {name}" for name in bundle.recipe.classes]
    assert last.asked["path"].tolist() == told["path"].tolist()
    np.testing.assert_allclose(last.asked[logits], told[logits], atol=0.01)  # the run may compute in bfloat16
    assert not np.allclose(first.asked[logits], last.asked[logits], atol=1e-4)
    assert evaluate(first).by_subject is not None
    (path,) = export_phase(out, 1, tmp_path / "export", ["keras"])
    assert path.name == f"{out.name}-phase1.keras"
    network = keras.models.load_model(path)
    scans = load_subset(read_split(out / "split.csv"), "test", bundle.recipe).scans
    theirs = np.asarray(network(scans.astype(np.float32), training=False))
    np.testing.assert_allclose(theirs, first.asked[logits], atol=1e-3)
    with pytest.raises(BundleError, match="has no checkpoint of phase 7; it holds phases 1, 2"):
        export_phase(out, 7, tmp_path, ["keras"])


def test_a_phase_may_have_an_augmentation_of_its_own(
    splits: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[bool]] = []
    real = RandomView._moved

    def moved(view: RandomView, scans: object) -> object:
        seen[-1].append(view.augmentation.changes)
        return real(view, scans)

    monkeypatch.setattr(RandomView, "_moved", moved)
    phases = (Phase("all", 1e-3, 1, 1), Phase("all", 1e-3, 1, 1, augmentation=Augmentation()))
    recipe = tiny_recipe(augmentation=Augmentation(flip_horizontal=True), phases=phases)
    assert recipe_from(recipe_values(recipe)) == recipe

    class PerSentence(Listening):
        def say(self, sentence: str) -> None:
            super().say(sentence)
            seen.append([])

    listener = PerSentence()
    train(TrainingConfig(recipe, splits["person"], tmp_path / "run"), listener=listener)
    per_phase = [set(changes) for title, changes in zip(listener.said, seen, strict=True) if title.startswith("phase")]
    assert per_phase == [{True}, {False}]
    with pytest.raises(RecipeError, match="a head phase uses the recipe's augmentation"):
        with_settings(recipe, ['phases.1.trains="head"', "phases.1.augmentation={flip_vertical=true}"])


def test_the_first_phase_leaves_the_backbone_alone(run: tuple[Bundle, Path], recipe: Recipe) -> None:
    from core.networks.architectures.network import build_network

    start, first, second = (load_tensors(run[1] / f"phase{number}.safetensors") for number in (0, 1, 2))
    of_backbone = tensors_of(build_network(recipe).features.weights).keys()
    assert all(np.array_equal(start[name], first[name]) for name in of_backbone)
    assert not all(np.array_equal(start[name], first[name]) for name in start.keys() - of_backbone)
    assert not all(np.array_equal(first[name], second[name]) for name in of_backbone)


def test_the_card_holds_what_one_needs_to_judge_the_bundle(run: tuple[Bundle, Path]) -> None:
    card = open_bundle(run[0].folder).card
    assert card.split.by == "subject"
    assert card.split.people == {"train": 12, "val": 4, "test": 4}
    assert card.by_subject is not None
    assert (card.by_slice.n, card.by_subject.n) == (48, 4)
    for metrics in (card.by_slice, card.by_subject):
        accuracy = metrics["accuracy"]
        assert 0 <= accuracy.low <= accuracy.value <= accuracy.high <= 1
    assert len(card.data_fingerprint) == len(card.split.hash) == 64
    assert "In all 240 scans of 20 people: Non Demented 96 scans of 8 people" in card.data[0]
    assert card.title == "Tiny ResNet, 48 × 40, from scratch"
    assert any("prepared otherwise, was not measured" in limit for limit in card.limits)
    assert "Not a medical device" in card.intended_use
    assert card.versions["keras"]


def test_evaluating_a_bundle_on_its_split_gives_the_cards_metrics(
    run: tuple[Bundle, Path], splits: dict[str, Path]
) -> None:
    from core.cohorts import read_split

    values = evaluate_bundle(run[0], read_split(splits["person"]))
    assert write(values.by_subject) == write(run[0].card.by_subject)
    assert write(values.by_slice) == write(run[0].card.by_slice)
    assert values.warnings == ()
    overlap = evaluate_bundle(run[0], read_split(splits["slice"]))
    assert any("not the split" in warning for warning in overlap.warnings)
    assert any("20 of 20 people" in warning for warning in overlap.warnings)


@pytest.mark.parametrize("killed_at", [(1, 1), (2, 1), (2, 2)], ids=str)
def test_a_killed_run_resumes_to_the_very_same_weights(
    run: tuple[Bundle, Path], recipe: Recipe, splits: dict[str, Path], tmp_path: Path, killed_at: tuple[int, int]
) -> None:
    killer = Listening(kill_at=(f"phase {killed_at[0]}, epoch {killed_at[1]}", 3))
    listener = Listening()
    with pytest.raises(Killed):
        train(TrainingConfig(recipe, splits["person"], tmp_path / "run"), listener=killer)
    train(TrainingConfig(recipe, splits["person"], tmp_path / "run", resume=True), listener=listener)
    if killed_at == (2, 2):
        assert any("going on after epoch 1" in sentence for sentence in listener.said)
    straight, resumed = (load_tensors(out / "phase2.safetensors") for out in (run[1], tmp_path / "run"))
    for name, value in straight.items():
        np.testing.assert_array_equal(resumed[name], value)
    for number in (1, 2):
        logs = [
            pd.read_csv(out / f"phase{number}_log.csv").drop(columns="seconds") for out in (run[1], tmp_path / "run")
        ]
        pd.testing.assert_frame_equal(*logs)


def test_a_loss_that_is_no_number_ends_a_phase_with_the_weights_of_its_best_epoch(
    recipe: Recipe, splits: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for out, epochs in (("short", 2), ("long", 9)):
        losses = iter([1.5, 1.4, float("nan")])
        monkeypatch.setattr("core.training.phases.mean_loss", lambda *_, values=losses: next(values))
        phase = replace(recipe.phases[0], epochs=epochs, patience=9)
        listener = Listening()
        train(TrainingConfig(replace(recipe, phases=(phase,)), splits["person"], tmp_path / out), listener=listener)
    assert any("epoch 3: the validation loss is nan" in sentence for sentence in listener.said)
    best, kept = (load_tensors(tmp_path / out / "phase1.safetensors") for out in ("short", "long"))
    for name, value in best.items():
        np.testing.assert_array_equal(kept[name], value)


def test_a_training_without_any_number_for_a_loss_is_refused_in_one_line(
    recipe: Recipe, splits: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.phases.mean_loss", lambda *_: float("nan"))
    with pytest.raises(TrainingError, match="the validation loss is nan after the first epoch"):
        train(TrainingConfig(recipe, splits["person"], tmp_path / "run"))


@pytest.mark.slow
def test_the_published_protocol_stands_beside_the_honest_one(
    run: tuple[Bundle, Path], recipe: Recipe, splits: dict[str, Path], tmp_path: Path
) -> None:
    by_slice = train_bundle(Request(recipe, splits["slice"], tmp_path / "slice"))
    request = Request(recipe, splits["person"], run[1], published=by_slice.folder, resume=True)
    both = train_bundle(request).card
    assert write(both.by_subject) == write(run[0].card.by_subject)
    assert both.published_protocol is not None
    assert write(both.published_protocol.by_slice) == write(by_slice.card.by_slice)
    assert str(both.published_protocol.split.subject_overlap).startswith("20 of 20 people")
    other = Request(recipe, splits["person"], run[1], published=run[0].folder, resume=True)
    with pytest.raises(TrainingError, match="not trained on a split by slice"):
        train_bundle(other)


def test_a_folder_in_use_or_of_another_run_is_refused(
    run: tuple[Bundle, Path], recipe: Recipe, splits: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="not empty; give a new folder, or --resume"):
        train(TrainingConfig(recipe, splits["person"], run[1]))
    with pytest.raises(TrainingError, match="another split"):
        train(TrainingConfig(recipe, splits["slice"], run[1], resume=True))
    with pytest.raises(TrainingError, match="another recipe"):
        train(TrainingConfig(tiny_recipe(seed=99), splits["person"], run[1], resume=True))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(TrainingError, match="not empty and holds no run"):
        train(TrainingConfig(recipe, splits["person"], tmp_path / "mine", resume=True))


def test_resuming_in_a_new_folder_begins_the_run(splits: dict[str, Path], tmp_path: Path) -> None:
    first_phase = tiny_recipe(phases=tiny_recipe().phases[:1])
    trained = train(TrainingConfig(first_phase, splits["person"], tmp_path / "new", resume=True))
    assert trained.finished


def test_one_class_alone_is_not_trained_on(recipe: Recipe, splits: dict[str, Path], tmp_path: Path) -> None:
    split = pd.read_csv(splits["person"])
    split[split["label"] == "Non Demented"].to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(TrainingError, match="one class only, 'Non Demented'"):
        train(TrainingConfig(recipe, tmp_path / "one.csv", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_the_loss_is_the_cross_entropy_computed_by_hand() -> None:
    logits = np.array([[0.0, 0.0], [2.0, 0.0]], np.float32)
    assert mean_loss(logits, np.array([0, 1])) == pytest.approx((np.log(2) + np.log(1 + np.e**2)) / 2)
