"""Classes of one's own, three without an order and four with one, from a folder to a reading."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.cohorts import read_split
from core.cohorts.plan import files_of, plan_split
from core.errors import CohortError, RecipeError
from core.evaluation.evaluation import evaluate_bundle
from core.networks.bundle import open_bundle
from core.networks.card import Card
from core.networks.fitting import recipe_for
from core.networks.recipe import Phase
from core.networks.recipe_files import recipe_from, recipe_values
from core.reporting.model_card import card_page
from core.results import write
from core.runs.folder import recipe_of_run
from core.runs.jobs import promote
from core.scans import read_scan_file
from core.workflows.pipeline import FullRun, full_run
from core.workflows.predict import predictor_of, read_scans

from ..conftest import ROOT, tiny_recipe, write_heads


@dataclass(frozen=True)
class Own:
    """A cohort of classes of one's own.

    Attributes:
        people: By class.
        task_file: Its task.toml, or "".
        classes: As they should come out.
        ordered: Likewise.
    """

    people: dict[str, int]
    task_file: str
    classes: tuple[str, ...]
    ordered: bool


COHORTS = {
    "three kinds": Own({"round": 4, "flat_one": 4, "tall": 4}, "", ("flat_one", "round", "tall"), False),
    "four stages": Own(
        {"grade 0": 3, "grade 1": 3, "grade 2": 3, "late": 3},
        'classes = ["grade 0", "grade 1", "grade 2", "late"]\nordered = true\npositive = "grade 2"\n',
        ("grade 0", "grade 1", "grade 2", "late"),
        True,
    ),
}


@pytest.fixture(scope="module", params=COHORTS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Own, Path, Card]:
    own, folder = COHORTS[request.param], tmp_path_factory.mktemp("own")
    write_heads(folder / "scans", own.people, slices=6)
    if own.task_file:
        (folder / "scans" / "task.toml").write_text(own.task_file)
    recipe = tiny_recipe(backbone="tiny", phases=(Phase("all", 1e-3, 1, 1),))
    return own, folder / "out", full_run(FullRun(recipe, folder / "scans", folder / "out")).card


def test_the_split_the_run_and_the_card_carry_the_classes(run: tuple[Own, Path, Card]) -> None:
    own, out, card = run
    assert card.classes == own.classes
    assert card.recipe.as_task().ordered == own.ordered
    assert all(name in card.title for name in own.classes)
    assert recipe_of_run(out / "run") == card.recipe == recipe_from(recipe_values(card.recipe))
    assert ("kappa" in card.by_slice.estimates) == own.ordered
    assert ("auc_impaired" in card.by_slice.estimates) == own.ordered
    assert set(read_split(out / "split.csv")["label"]) == set(own.classes)
    page = card_page(open_bundle(out / "run" / "bundle"))
    assert all(name in page for name in own.classes)
    assert "Demented" not in page


def test_a_bundle_of_own_classes_evaluates_predicts_and_explains(run: tuple[Own, Path, Card]) -> None:
    own, out, card = run
    bundle, split = open_bundle(out / "run" / "bundle"), read_split(out / "split.csv")
    again = evaluate_bundle(bundle, split)
    assert again.as_dict()["by_slice"] == write(card.by_slice)
    scan, last = read_scan_file(split["path"].iloc[0]), own.classes[-1]
    (reading,) = read_scans([scan], predictor_of(bundle.folder), class_name=last.upper())
    said = reading.prediction.probabilities
    assert tuple(said) == own.classes
    assert sum(said.values()) == pytest.approx(1)
    assert reading.explanation.class_name == last


def test_the_pages_read_a_scan_and_show_the_card_in_these_classes(
    run: tuple[Own, Path, Card], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, out, _ = run
    promote(out / "run" / "bundle", tmp_path / "models", "own")
    monkeypatch.setenv("STAGELENS_MODELS", str(tmp_path / "models"))
    app = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=240).run()
    predictor = predictor_of(tmp_path / "models" / "own")
    paths = map(Path, read_split(out / "split.csv")["path"])
    scan = next(path for path in paths if not predictor.predict([read_scan_file(path)])[0].rejected)
    app.file_uploader[0].set_value([(scan.name, scan.read_bytes(), "image/png")])
    app.run()
    assert not app.exception
    assert not app.error
    assert app.subheader[0].value in {f"Scan 1: {name}" for name in own.classes}
    (bars,) = [json.loads(plot.proto.spec) for plot in app.get("plotly_chart")]
    assert set(own.classes) <= set(re.findall(r"[\w ]+", json.dumps(bars)))
    app.switch_page("pages/model_cards.py").run()
    assert not app.exception
    shown = json.dumps([str(app.main), *(plot.proto.spec for plot in app.get("plotly_chart"))])
    assert all(name in shown for name in own.classes)
    assert "Demented" not in shown


def test_stages_after_the_positive_class_are_a_yes_and_kinds_have_none(run: tuple[Own, Path, Card]) -> None:
    own, _, card = run
    task = card.recipe.as_task()
    assert task.decides == own.ordered
    assert not own.ordered or task.positives == (False, False, True, True)


def test_a_recipe_with_classes_of_its_own_refuses_others(run: tuple[Own, Path, Card]) -> None:
    own, out, card = run
    split = read_split(out / "split.csv")
    assert recipe_for(card.recipe, split) is card.recipe
    with pytest.raises(RecipeError, match="change own_task in the recipe"):
        recipe_for(card.recipe, split.assign(label=np.where(split["label"] == own.classes[0], "x", "y"), task=""))
    alzheimer = tiny_recipe()
    assert recipe_for(alzheimer, split.assign(label="Mild Demented", task="")) is alzheimer
    assert recipe_for(replace(alzheimer, seed=5), split).seed == 5


def test_a_single_class_is_refused_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    write_heads(tmp_path / "scans", {"alone": 6}, slices=2)
    with pytest.raises(CohortError, match="all scans of this split are alone, and a network needs two classes or more"):
        full_run(FullRun(tiny_recipe(), tmp_path / "scans", tmp_path / "out"))
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    split = plan_split(files_of(tmp_path / "scans").table, seed=1).split
    with pytest.raises(CohortError, match="all scans of this split are alone"):
        recipe_for(tiny_recipe(), split)
