"""Recipes from plain values, TOML files and settings typed by hand, each checked and refused in one line."""

import tomllib
from collections.abc import Iterable
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from core.cohorts.tasks import CUSTOM, TASKS, Task
from core.errors import RecipeError, shortened
from core.files import read_file
from core.networks.recipe import (
    PIXELS,
    TISSUE,
    Augmentation,
    Classic,
    Covariates,
    Head,
    Imbalance,
    Morphometry,
    Oversampling,
    Phase,
    Recipe,
    Slices,
)

if TYPE_CHECKING:
    from core.networks.architectures.backbones import Backbone

RECIPES = Path(__file__).parent / "recipes"

TABLES = {  # where settings lie that are not the recipe's own; the likeliest last
    "own_task": Task,
    "slices": Slices,
    "covariates": Covariates,
    "morphometry": Morphometry,
    "classic": Classic,
    "imbalance": Imbalance,
    "augmentation": Augmentation,
    "head": Head,
    "phases.1.oversampling": Oversampling,
    "phases.1": Phase,
}


def recipe_from(values: dict[str, Any], source: str = "recipe") -> Recipe:
    """Make a Recipe from plain values, as they come from TOML or JSON.

    Args:
        values: Keys and values of the recipe.
        source: Its name in error messages.

    Raises:
        RecipeError: A key is unknown, missing or has an impossible value.
    """
    from core.networks.architectures.backbones import BACKBONES

    try:
        recipe = TypeAdapter(Recipe).validate_python(values)
    except ValidationError as error:
        errors = error.errors()
        first = next((one for one in errors if one["type"] == "unexpected_keyword_argument"), errors[0])
        key = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
        if first["type"] == "unexpected_keyword_argument":
            raise _no_setting(key, source) from error
        whole = first["type"] in {"missing", "value_error"}  # the value is a whole table then
        received = "" if whole else f" Received: {first['input']!r}"
        message = first["msg"].removeprefix("Value error, ")
        raise RecipeError(f"{source}: {f'{key}: ' if key else ''}{message}.{received}") from error
    for key, value, known in (
        ("task", recipe.task, [*TASKS, CUSTOM]),
        ("backbone", recipe.backbone, [*BACKBONES, PIXELS, TISSUE]),
    ):
        if value not in known:
            raise RecipeError(f"{source}: {key}: expected one of {', '.join(known)}. Received: {value!r}")
    if recipe.backbone in BACKBONES:
        _check_sides(recipe, BACKBONES[recipe.backbone], source)
    return recipe


def _no_setting(key: str, source: str) -> RecipeError:
    """Return the refusal of a setting that there is not: which one may be meant, and which there are in its place."""
    *within, last = key.split(".")
    tables = {place.removesuffix(".1").rsplit(".")[-1]: table for place, table in TABLES.items()}
    own = fields(tables.get(next((step for step in reversed(within) if not step.isdigit()), ""), Recipe))
    known = {one.name: f"{place}.{one.name}" for place, table in TABLES.items() for one in fields(table)}
    known |= {one.name: one.name for one in fields(Recipe)}
    known |= {one.name: ".".join([*within, one.name]) for one in own}
    near = get_close_matches(last, known, 1)
    meant = f" Is {known[near[0]]} meant?" if near else ""
    names = ", ".join(one.name for one in own)
    return RecipeError(f"{source} has no setting {key}.{meant} Known{' there' if within else ''} are {names}.")


def _check_sides(recipe: Recipe, backbone: "Backbone", source: str) -> None:
    from core.networks.architectures.backbones import BACKBONES

    if (recipe.depth is not None) != (backbone.dimensions == 3):
        what = "needs a depth" if backbone.dimensions == 3 else "takes no depth"
        raise RecipeError(f"{source}: depth: {backbone.name} {what}. Received: {recipe.depth}")
    if recipe.output_stride is not None and backbone.dilated is None:
        known = ", ".join(one.name for one in BACKBONES.values() if one.dilated is not None)
        raise RecipeError(f"{source}: output_stride: {backbone.name} has one form only; {known} have two.")
    if min(recipe.height, recipe.width) < backbone.smallest:
        raise RecipeError(
            f"{source}: height: {backbone.name} needs at least {backbone.smallest} pixels per side. "
            f"Received: {recipe.height} x {recipe.width}"
        )


def with_settings(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return a recipe with settings changed, and a title made from them, unless one of them is the title.

    Args:
        recipe: The recipe to start from.
        settings: Each "key=value" with a TOML value and a dotted key; phases are counted from 1, as in
            "phases.2.learning_rate=1e-4".

    Raises:
        RecipeError: A setting does not have this form, its key is unknown or its value impossible.
    """
    values = recipe_values(recipe)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise RecipeError(f"a setting is written key=value. Received: {setting}")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except ValueError:
            value = text.strip()  # a bare word
        node: Any = values
        *path, last = key.strip().split(".")
        for number, step in enumerate(path):
            node = _inside(node, step, ".".join(path[: number + 1]), recipe.name)
        if not isinstance(node, dict):
            whole = ".".join(path)
            raise RecipeError(f"{recipe.name} has no {key.strip()} to change; set {whole} as a whole.")
        node[last] = value
    changed = recipe_from(values, recipe.name)
    if changed == recipe or changed.title != recipe.title:
        return changed
    from core.networks.titles import title_of

    return replace(changed, title=title_of(changed))


def _inside(node: Any, step: str, key: str, source: str) -> Any:
    """Return what a step of a dotted key leads to."""
    if isinstance(node, list):
        if step.isdigit() and 1 <= int(step) <= len(node):
            return node[int(step) - 1]
        raise RecipeError(f"{source} has no {key}; there are {len(node)}, counted from 1.")
    if isinstance(node, dict) and step in node:
        return node[step]
    raise _no_setting(key, source)


def recipe_values(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as plain values for JSON, from which `recipe_from` restores it."""
    values: dict[str, Any] = TypeAdapter(Recipe).dump_python(recipe, mode="json")
    for key in ("own_task", "output_stride", "morphometry", "covariates"):
        if values[key] is None:
            del values[key]  # as written before there were any
    return values


def read_recipe(name_or_path: str | Path) -> Recipe:
    """Read a shipped recipe by its name, or a recipe from a TOML file.

    Raises:
        RecipeError: There is no such recipe, or it is not valid.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = _shipped().get(path.name, path)
    try:
        values = tomllib.loads(read_file(path).decode("utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(recipe_names())
        raise RecipeError(f"there is no recipe {name_or_path}; shipped are {known}, or give a .toml file.") from error
    except OSError as error:
        raise RecipeError(f"{shortened(str(path))} cannot be opened: {error.strerror}.") from error
    except ValueError as error:
        raise RecipeError(f"{path.name} is not TOML: {str(error).splitlines()[0]}") from error
    return recipe_from(values, path.name)


def recipe_names() -> list[str]:
    """List the shipped recipes."""
    return sorted(_shipped())


def _shipped() -> dict[str, Path]:
    return {path.stem: path for path in RECIPES.rglob("*.toml")}
