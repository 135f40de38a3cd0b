"""What is there is used again only for the very same request; any other is refused in one line and changes nothing."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.cohorts import audit_folder, read_split, split_by_subject
from core.errors import BundleError, StageLensError, TrainingError
from core.files import stamp, write_table
from core.networks.recipe import Classic, Phase, Recipe
from core.networks.recipe_files import with_settings
from core.results import write
from core.runs import request as requests
from core.workflows import train as training
from core.workflows.calibrate import calibrate_bundle
from core.workflows.cross_validate import CrossValidation, cross_validate
from core.workflows.pipeline import FullRun, full_run
from core.workflows.reported_run import run_reported
from core.workflows.train import Request, train_bundle

from ..conftest import tiny_recipe, write_heads

NEAREST = tiny_recipe(phases=(), backbone="pixels", height=32, width=32, classic=Classic("nearest_neighbours"))


class Killed(BaseException):
    """Stands for a kill."""


@dataclass
class Asked:
    """One request of any verb, whose parts a test changes.

    Attributes:
        verb: full, train or folds.
        scans: The folder of scans.
        split: The split table.
        out: What it makes.
        recipe: What is trained.
        by: How `full` splits.
        seed: Of `full`'s split, and of the folds.
        folds: How many.
        weights: Start weights.
    """

    verb: str
    scans: Path
    split: Path
    out: Path
    recipe: Recipe = NEAREST
    by: str = "auto"
    seed: int = 1
    folds: int = 2
    weights: Path | None = None

    def run(self) -> object:
        """Do what is asked; return what can be compared."""
        if self.verb == "full":
            made = full_run(
                FullRun(self.recipe, self.scans, self.out, by=self.by, weights=self.weights, seed=self.seed)
            )
            return made.as_dict()
        request = Request(self.recipe, self.split, self.out, weights=self.weights, resume=True)
        if self.verb == "train":
            card = run_reported(request).card
            assert card is not None
            return write(card)
        how = CrossValidation(self.folds, seed=self.seed)
        return cross_validate(request, read_split(self.split), how).as_dict()


class Begun:
    """Brings a verb's folder into a state, finished or killed just before; makes each once, and gives copies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, verb: str, state: str, into: Path) -> Asked:
        """Return a request in a folder of its own that was made before in that state."""
        made = self._folder / f"{verb} {state}"
        if not made.exists():
            self._make(verb, state, made)
        shutil.copytree(made, into, dirs_exist_ok=True)
        split = read_split(into / "split.csv")
        write_table(into / "split.csv", split.assign(path=split["path"].str.replace(str(made), str(into))))
        return Asked(verb, into / "scans", into / "split.csv", into / "out")

    def _make(self, verb: str, state: str, folder: Path) -> None:
        write_heads(folder / "scans", {"NonDemented": 6, "MildDemented": 6}, slices=6)
        write_table(folder / "split.csv", split_by_subject(audit_folder(folder / "scans").table, seed=1))
        asked = Asked(verb, folder / "scans", folder / "split.csv", folder / "out")
        if state == "finished":
            asked.run()
            return

        def kill(_: Path) -> None:
            raise Killed

        with pytest.MonkeyPatch().context() as patched:
            patched.setattr(training, "mark_finished", kill)
            with pytest.raises(Killed):
                asked.run()


@pytest.fixture(scope="module")
def begin(tmp_path_factory: pytest.TempPathFactory) -> Begun:
    return Begun(tmp_path_factory.mktemp("begun"))


def another_scan(asked: Asked) -> Asked:
    first, second = sorted((asked.scans / "NonDemented").glob("*.png"))[:2]
    shutil.copyfile(second, first)
    return asked


def another_split(asked: Asked) -> Asked:
    write_table(asked.split, split_by_subject(audit_folder(asked.scans).table, seed=2))
    return asked


def said_to_be_by_slice(asked: Asked) -> Asked:
    write_table(asked.split, read_split(asked.split).assign(by="slice"))
    return asked


def another_class(asked: Asked) -> Asked:
    split = read_split(asked.split)
    labels = split["label"].unique()
    split.loc[0, "label"] = labels[labels != split.loc[0, "label"]][0]
    write_table(asked.split, split)
    return asked


def weights_of(content: bytes) -> Callable[[Asked], Asked]:
    def given(asked: Asked) -> Asked:
        path = asked.out.parent / "start.h5"
        path.write_bytes(content)
        return replace(asked, weights=path)

    return given


def another_version(asked: Asked) -> Asked:
    """Change the version of a package; `_these_versions` puts it back."""
    requests.PACKAGES = ("keras", "opencv-python-headless")
    return asked


@pytest.fixture(autouse=True)
def _these_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "PACKAGES", requests.PACKAGES)


Change = Callable[[Asked], Asked]
SETTING = ("recipe", r"another recipe \(classic.neighbours 1, now 3\)", lambda asked: replace(asked, recipe=THREE))
THREE = replace(NEAREST, classic=Classic("nearest_neighbours", neighbours=3))
COMMON: tuple[tuple[str, str, Change], ...] = (
    SETTING,
    ("another recipe", "another recipe", lambda asked: replace(asked, recipe=replace(NEAREST, name="other"))),
    ("seed of the training", "another recipe", lambda asked: replace(asked, recipe=replace(NEAREST, seed=9))),
    ("start weights", "another file of start weights", weights_of(b"others")),
    ("software", r"another version of the software \(numpy .*, now nothing\)", another_version),
)
CHANGES: dict[str, tuple[tuple[str, str, Change], ...]] = {
    "full": (
        *COMMON,
        ("seed of the split", r"seed of the split \(1, now 2\)", lambda asked: replace(asked, seed=2)),
        ("way of splitting", r"way of splitting \(auto, now slice\)", lambda asked: replace(asked, by="slice")),
        ("scans", "another content of the folder of scans", another_scan),
    ),
    "train": (
        *COMMON,
        ("split", "another split", another_split),
        ("label of the split", r"way of splitting \(subject, now slice\)", said_to_be_by_slice),
        ("class of a scan", "another split", another_class),
        ("scans", "another content of the scans", another_scan),
    ),
    "folds": (
        *COMMON,
        ("number of folds", r"number of folds \(2, now 3\)", lambda asked: replace(asked, folds=3)),
        ("seed of the folds", r"seed of the split \(1, now 2\)", lambda asked: replace(asked, seed=2)),
        ("class of a scan", "another split", another_class),
        ("scans", "another content of the scans", another_scan),
    ),
}
TABLE = [
    pytest.param(verb, state, said, change, id=f"{verb} {state}: {name}")
    for verb, changes in CHANGES.items()
    for state in ("finished", "half-finished")
    for name, said, change in changes
]


@pytest.mark.parametrize(("verb", "state", "said", "change"), TABLE)
def test_another_request_is_refused_in_one_line_and_the_folder_stays_as_it_is(
    begin: Begun, verb: str, state: str, said: str, change: Change, tmp_path: Path
) -> None:
    asked = begin(verb, state, tmp_path)
    before = stamp(asked.out) if (verb, state) in {("full", "finished"), ("train", "finished")} else ""
    with pytest.raises(TrainingError, match=said) as refused:
        change(asked).run()
    assert "\n" not in str(refused.value)
    assert "give a new folder" in str(refused.value)
    assert not before or stamp(asked.out) == before


@pytest.mark.parametrize("verb", CHANGES)
def test_the_same_request_goes_on_with_a_half_finished_folder_and_leaves_a_finished_one_alone(
    begin: Begun, verb: str, tmp_path: Path
) -> None:
    asked = begin(verb, "half-finished", tmp_path)
    resumed = asked.run()
    finished = stamp(asked.out)
    assert asked.run() == resumed
    assert verb == "folds" or stamp(asked.out) == finished
    straight = replace(asked, out=tmp_path / "straight").run()
    if verb != "full":  # whose outcome names its folder
        assert straight == resumed


@pytest.mark.parametrize("verb", CHANGES)
def test_the_same_scans_in_another_folder_are_the_same_request(begin: Begun, verb: str, tmp_path: Path) -> None:
    asked = begin(verb, "finished", tmp_path)
    before = asked.run()
    (tmp_path / "scans" / ".DS_Store").write_bytes(b"left by a file manager")
    assert asked.run() == before
    if verb == "full":
        shutil.copytree(asked.scans, tmp_path / "moved")
        assert replace(asked, scans=tmp_path / "moved").run() == before


def test_a_full_run_that_could_not_begin_does_not_hold_its_folder(tmp_path: Path) -> None:
    with pytest.raises(StageLensError, match="there is no folder"):
        full_run(FullRun(NEAREST, tmp_path / "misspelt", tmp_path / "out"))
    write_heads(tmp_path / "scans", {"NonDemented": 6, "MildDemented": 6}, slices=6)
    assert full_run(FullRun(NEAREST, tmp_path / "scans", tmp_path / "out")).card.by_subject is not None


@pytest.mark.parametrize("verb", ["full", "folds"])
def test_a_folder_of_something_else_is_not_taken_over(begin: Begun, verb: str, tmp_path: Path) -> None:
    asked = replace(begin(verb, "finished", tmp_path), out=tmp_path / "mine")
    asked.out.mkdir()
    (asked.out / "split.csv").write_text("years of work")
    with pytest.raises(TrainingError, match="not empty and does not say what was asked for"):
        asked.run()
    damaged = replace(asked, out=tmp_path / "out")
    (damaged.out / "request.json").write_text("{")
    with pytest.raises(TrainingError, match="does not say what was asked for"):
        damaged.run()


def test_more_repeats_and_single_folds_are_parts_of_the_same_cross_validation(
    begin: Begun,
    tmp_path: Path,
) -> None:
    asked = begin("folds", "finished", tmp_path)
    request = Request(asked.recipe, asked.split, asked.out)
    table = read_split(asked.split)
    one = cross_validate(request, table, CrossValidation(2, 2, fold="repeat2_fold1"))
    assert one.finished == ("repeat1_fold1", "repeat1_fold2", "repeat2_fold1")
    with pytest.raises(TrainingError, match="number of folds"):
        cross_validate(request, table, CrossValidation(3, fold="repeat1_fold3"))


def test_pictures_that_were_deleted_are_drawn_again(begin: Begun, tmp_path: Path) -> None:
    asked = begin("full", "finished", tmp_path)
    drawing = replace(
        asked, out=tmp_path / "drawn", recipe=tiny_recipe(backbone="tiny", phases=(Phase("all", 1e-3, 1, 1),))
    )
    drawing.run()
    made = list((drawing.out / "explanations").rglob("*.png"))
    assert made
    made[0].unlink()
    drawing.run()
    assert made[0].is_file()


def test_a_bundle_is_calibrated_only_on_the_very_split_and_scans_it_was_trained_on(
    begin: Begun, tmp_path: Path
) -> None:
    asked = begin("train", "finished", tmp_path)
    recipe = tiny_recipe(backbone="tiny", phases=(Phase("all", 1e-3, 1, 1),))
    bundle = train_bundle(Request(recipe, asked.split, tmp_path / "network"))
    before = stamp(bundle.folder)
    for change, said in ((another_scan, "other scans"), (another_class, "another split"), (another_split, "another")):
        with pytest.raises(BundleError, match=said):
            calibrate_bundle(bundle, read_split(change(asked).split))
    assert stamp(bundle.folder) == before


def test_settings_that_differ_are_named_before_the_title_that_follows_from_them(tmp_path: Path) -> None:
    before = tiny_recipe(height=48)
    requests.claim(tmp_path / "out", requests.requested(before, None))
    for settings, said in (
        (["seed=2"], f"(seed {before.seed}, now 2)"),
        (["seed=2", "height=64"], f"(height 48, now 64; seed {before.seed}, now 2)"),
        (["seed=2", "height=64", "width=64", "batch_size=2"], "; and 1 more)"),
        (["title=Another"], "(title A tiny network, now Another)"),
    ):
        with pytest.raises(TrainingError) as caught:
            requests.claim(tmp_path / "out", requests.requested(with_settings(before, settings), None))
        assert said in str(caught.value)
        assert "title" not in str(caught.value) or settings == ["title=Another"]
