import re
from pathlib import Path

import pytest

from core.errors import RecipeError
from core.networks.recipe import Slices
from core.networks.recipe_files import read_recipe, recipe_from, recipe_names, recipe_values, with_settings

from ..conftest import tiny_recipe


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_survives_json(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe_from(recipe_values(recipe)) == recipe


def test_s1_has_the_published_rates_and_epochs() -> None:
    recipe = read_recipe("s1_resnet50")
    assert [(phase.trains, phase.learning_rate, phase.epochs) for phase in recipe.phases] == [
        ("head", 1e-4, 10),
        ("all", 1e-5, 19),
    ]
    assert (recipe.height, recipe.width, recipe.head.dropout, recipe.start) == (224, 224, 0.5, "imagenet")
    assert (recipe.augmentation.rotation_degrees, recipe.augmentation.shift) == (15, 0.1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "red"}, r"recipe has no setting colour\. Known are name, title, task, .*seed, own_task\.$"),
        (
            {"phases": [{"trains": "head", "learning_rat": 1, "epochs": 1, "patience": 1}]},
            r"no setting phases\.1\.learning_rat\. Is phases\.1\.learning_rate meant\? Known there are trains, ",
        ),
        ({"backbone": "tissue"}, 'backbone "tissue" and morphometry go together'),
        ({"phases": [], "morphometry": {"kind": "tissue_maps"}}, 'backbone "tissue" and morphometry go together'),
        ({"phases": [], "backbone": "tissue", "morphometry": {"kind": "tissue_maps"}}, "slices 1 mm apart"),
        ({"phases": [], "backbone": "tissue", "morphometry": {"kind": "skull"}}, "morphometry.kind: .*skull"),
        ({"covariates": {"age": True}}, "covariates are asked for by morphometry only"),
        ({"task": "weather"}, "task: expected one of alzheimer, tumour"),
        ({"backbone": "vgg99"}, "backbone: expected one of resnet18, resnet50"),
        ({"height": 3}, "height: .*32"),
        ({"name": "../evil"}, "name: "),
        ({"head": {"dropout": 1.5}}, "head.dropout: "),
        ({"phases": []}, "either phases, or a classic classifier, or morphometry"),
        ({"phases": [{"trains": "head", "learning_rate": -1, "epochs": 1, "patience": 1}]}, "phases.1.learning_rate: "),
        ({"batch_size": "many"}, "batch_size: .*Received: 'many'"),
    ],
)
def test_an_impossible_value_is_named_in_one_line(change: dict[str, object], said: str) -> None:
    values = {**recipe_values(tiny_recipe()), **change}
    with pytest.raises(RecipeError, match=said) as rejected:
        recipe_from(values)
    assert "\n" not in str(rejected.value)


def test_a_missing_key_is_named() -> None:
    values = recipe_values(tiny_recipe())
    del values["task"]
    with pytest.raises(RecipeError, match="task"):
        recipe_from(values)


def test_a_file_that_is_not_toml_gives_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("name = [")
    with pytest.raises(RecipeError, match=r"r\.toml is not TOML"):
        read_recipe(tmp_path / "r.toml")
    with pytest.raises(RecipeError, match=r"there is no recipe nothing; shipped are .*s1_resnet50"):
        read_recipe("nothing")


def test_a_setting_may_be_a_whole_table_and_phases_are_counted_from_one() -> None:
    recipe = read_recipe("s4_simple3dcnn")
    changed = with_settings(
        recipe, ["depth=32", "slices={lowest_mm=-3, highest_mm=28}", "phases.1.epochs=2", "precision=auto"]
    )
    assert changed.depth == 32
    assert changed.slices == Slices(-3, 28)
    assert changed.phases[0].epochs == 2
    assert changed.precision == "auto"
    for setting, said in (
        ("phases.2.epochs=2", "has no phases.2; there are 1, counted from 1"),
        ("phases.0.epochs=2", "has no phases.0; there are 1, counted from 1"),
        ("slices.lowest_mm=2", "has no slices.lowest_mm to change; set slices as a whole"),
        ("batch_size.x=2", "has no batch_size.x to change; set batch_size as a whole"),
        ("colour=red", "has no setting colour. Known are"),
        ("epochs=1", "no setting epochs. Is phases.1.epochs meant? Known are name, "),
        ("batchsize=4", "no setting batchsize. Is batch_size meant?"),
        ("rotation=4", "Is augmentation.rotation_degrees meant?"),
        ("phase.1.epochs=4", "no setting phase. Is phases meant?"),
        ("phases.1.epoch=4", "no setting phases.1.epoch. Is phases.1.epochs meant? Known there are trains, "),
        ("phases.1.batch_size=4", "Is batch_size meant? Known there are trains, "),
        ("head.drop_out=0.1", "no setting head.drop_out. Is head.dropout meant? Known there are dense, dropout."),
        ("depth", "written key=value"),
    ):
        said = re.escape(said)
        with pytest.raises(RecipeError, match=said):
            with_settings(recipe, [setting])


def test_contradicting_settings_are_rejected() -> None:
    values = recipe_values(tiny_recipe())
    head = {"trains": "head", "learning_rate": 1e-3, "epochs": 1, "patience": 1}
    smote = {**head, "oversampling": {"method": "smote"}}
    for change, said in (
        ({"phases": [{**head, "from_layer": "x"}]}, "from_layer and trains"),
        ({"phases": [{**head, "trains": "all", "views": 2}]}, "views and oversampling need"),
        ({"phases": [smote], "augmentation": {"flip_horizontal": True}}, "oversampling needs embeddings"),
        ({"classic": {"kind": "svm"}}, "either phases, or a classic"),
        ({"backbone": "pixels"}, '"pixels" is for classic'),
    ):
        with pytest.raises(RecipeError, match=said):
            recipe_from({**values, **change})


def test_an_impossible_setting_is_named_as_it_was_given() -> None:
    with pytest.raises(RecipeError, match=r"phases\.1\.learning_rate: .* Received: 1e\+30"):
        with_settings(read_recipe("sample_small"), ["phases.1.learning_rate=1e30"])
