from pathlib import Path

import pytest

from core.errors import RecipeError
from core.networks.recipe import read_recipe, recipe_from, recipe_names, recipe_values

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
        ({"colour": "red"}, r"colour: Unexpected keyword"),
        ({"task": "weather"}, "task: expected one of alzheimer, tumour"),
        ({"backbone": "vgg99"}, "backbone: expected one of resnet18, resnet50"),
        ({"height": 3}, "height: .*32"),
        ({"name": "../evil"}, "name: "),
        ({"head": {"dropout": 1.5}}, "head.dropout: "),
        ({"phases": []}, "either phases or a classic classifier"),
        ({"phases": [{"trains": "head", "learning_rate": -1, "epochs": 1, "patience": 1}]}, "learning_rate: "),
        ({"batch_size": "many"}, "batch_size: .*Received: 'many'"),
    ],
)
def test_an_impossible_value_is_named_in_one_line(change: dict[str, object], said: str) -> None:
    values = {**recipe_values(tiny_recipe()), **change}
    with pytest.raises(RecipeError, match=said) as refused:
        recipe_from(values)
    assert "\n" not in str(refused.value)


def test_a_missing_key_is_named() -> None:
    values = recipe_values(tiny_recipe())
    del values["task"]
    with pytest.raises(RecipeError, match="task"):
        recipe_from(values)


def test_what_is_no_toml_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("name = [")
    with pytest.raises(RecipeError, match=r"r\.toml is not TOML"):
        read_recipe(tmp_path / "r.toml")
    with pytest.raises(RecipeError, match=r"there is no recipe nothing; shipped are .*s1_resnet50"):
        read_recipe("nothing")
