"""A run that is killed between any two writes of its folder is never taken for finished, and can be gone on with."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import current_thread, main_thread

import pytest

from core.cohorts import audit_folder, read_split, split_by_subject
from core.files import UNFINISHED, write_table
from core.networks.recipe import Phase, Recipe
from core.networks.recipe_files import read_recipe
from core.results import write
from core.runs.folder import BUNDLE_FOLDER, FINISHED_FILE, card_of_run, is_finished
from core.workflows.cross_validate import CrossValidation, cross_validate
from core.workflows.pipeline import FullRun, full_run
from core.workflows.train import Request, run_training

from ..conftest import tiny_recipe

BASELINE = read_recipe("baseline_pixels_nearest")


class Killed(BaseException):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def split(slice_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("split") / "split.csv"
    write_table(path, split_by_subject(audit_folder(slice_cohort).table, seed=1))
    return path


@pytest.fixture
def killing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Return a function that lets so many files and folders be replaced, and kills at the next."""
    real = Path.replace, Path.rename
    left = [10**9]

    def counted(method: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        def moved(path: Path, target: Path) -> Path:
            if path.name.startswith(UNFINISHED) and current_thread() is main_thread():
                if left[0] == 0:
                    raise Killed
                left[0] -= 1
            return method(path, target)

        return moved

    monkeypatch.setattr(Path, "replace", counted(real[0]))
    monkeypatch.setattr(Path, "rename", counted(real[1]))

    def allow(writes: int) -> None:
        left[0] = writes

    yield allow
    left[0] = 10**9


def killed_everywhere(work: Callable[[], object], check: Callable[[], None], allow: Callable[[int], None]) -> int:
    """Run work again and again on what the last try left, each time killed one write later, until it comes to its end.

    Args:
        work: What is killed and gone on with.
        check: Called after each kill: what calls itself finished must be.
        allow: Of the fixture `killing`.

    Returns:
        How often it was killed.
    """
    for kills in range(100):
        allow(kills)
        try:
            work()
        except Killed:
            allow(10**9)
            check()
        else:
            return kills
    raise AssertionError("it never came to its end")


def same_when_finished(run: Path, straight: Path) -> None:
    """A run that calls itself finished holds what one holds that was never killed."""
    if is_finished(run):
        kept, expected = card_of_run(run), card_of_run(straight)
        assert kept is not None
        assert expected is not None
        assert write(kept.by_slice) == write(expected.by_slice)
        assert (run / "predictions.csv").read_text() == (straight / "predictions.csv").read_text()


def test_a_training_killed_at_any_write_is_not_finished_and_ends_as_if_nothing_had_happened(
    split: Path, tmp_path: Path, killing: Callable[[int], None]
) -> None:
    straight = run_training(Request(BASELINE, split, tmp_path / "straight")).card
    assert is_finished(tmp_path / "straight")
    run = tmp_path / "run"
    for writes in range(100):
        killing(writes)
        shutil.rmtree(run, ignore_errors=True)
        try:
            run_training(Request(BASELINE, split, run))
        except Killed:
            killing(10**9)
            assert not is_finished(run), f"killed at write {writes + 1}"
            resumed = run_training(Request(BASELINE, split, run, resume=True)).card
            assert is_finished(run)
            assert write(resumed.by_slice) == write(straight.by_slice)  # type: ignore[union-attr]
        else:
            assert writes >= 5  # split, recipe, run, predictions, metrics, finished
            return
    raise AssertionError("it never came to its end")


@pytest.mark.slow
def test_a_networks_training_killed_at_write_after_write_ends_with_the_very_same_bundle(
    split: Path, tmp_path: Path, killing: Callable[[int], None]
) -> None:
    recipe = _two_phases()
    straight = run_training(Request(recipe, split, tmp_path / "straight")).bundle
    run = tmp_path / "run"
    kills = killed_everywhere(
        lambda: run_training(Request(recipe, split, run, resume=True)),
        lambda: same_when_finished(run, tmp_path / "straight"),
        killing,
    )
    assert kills > 3
    weights = [folder / BUNDLE_FOLDER / "weights.safetensors" for folder in (tmp_path / "straight", run)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    card = card_of_run(run)
    assert card is not None
    assert straight is not None
    assert write(card.by_slice) == write(straight.card.by_slice)
    assert card.ood is not None


def _two_phases() -> Recipe:
    return tiny_recipe(phases=(Phase("head", 1e-3, 1, 1), Phase("all", 1e-3, 1, 1)))


def test_a_fold_killed_at_any_write_is_trained_again_and_never_summed_up(
    split: Path, tmp_path: Path, killing: Callable[[int], None]
) -> None:
    how, table = CrossValidation(2), read_split(split)
    straight = cross_validate(Request(BASELINE, split, tmp_path / "straight"), table, how)

    def check() -> None:
        for name in straight.wanted:
            same_when_finished(tmp_path / "cv" / name, tmp_path / "straight" / name)

    request = Request(BASELINE, split, tmp_path / "cv")
    assert killed_everywhere(lambda: cross_validate(request, table, how), check, killing) > 2
    assert cross_validate(request, table, how).as_dict() == straight.as_dict()


def test_a_full_run_killed_at_any_write_goes_on_to_its_end(
    slice_cohort: Path, tmp_path: Path, killing: Callable[[int], None]
) -> None:
    straight = full_run(FullRun(BASELINE, slice_cohort, tmp_path / "straight"))
    wanted = FullRun(BASELINE, slice_cohort, tmp_path / "out")
    kills = killed_everywhere(
        lambda: full_run(wanted),
        lambda: same_when_finished(tmp_path / "out" / "run", tmp_path / "straight" / "run"),
        killing,
    )
    assert kills > 2
    assert full_run(wanted).card.as_dict() == straight.card.as_dict()


def test_a_run_with_a_truncated_file_is_not_finished(split: Path, tmp_path: Path) -> None:
    run_training(Request(BASELINE, split, tmp_path / "run"))
    for name in (FINISHED_FILE, "predictions.csv", "metrics.json", "recipe.toml", "split.csv"):
        copy = tmp_path / f"without {name}"
        shutil.copytree(tmp_path / "run", copy)
        whole = (copy / name).read_bytes()
        for length in (0, 1, len(whole) // 2, len(whole) - 2):
            (copy / name).write_bytes(whole[:length])
            assert not is_finished(copy), (name, length)
        (copy / name).unlink()
        assert not is_finished(copy), name
