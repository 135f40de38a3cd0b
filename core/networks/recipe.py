"""The Recipe: everything a training run depends on, as one frozen, validated value; TOML on disk."""

import tomllib
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from core.cohorts.tasks import TASKS, Task
from core.errors import RecipeError

RECIPES = Path(__file__).parent / "recipes"
STRICT = ConfigDict(extra="forbid")

Share = Annotated[float, Field(ge=0, lt=1)]
Side = Annotated[int, Field(ge=32, le=1024)]


@dataclass(frozen=True, config=STRICT)
class Augmentation:
    """Random changes of the training scans, made inside the network while it trains.

    Attributes:
        rotation_degrees: Largest rotation to either side.
        shift: Largest shift, as a share of height and width.
        flip_horizontal: Whether left and right are swapped at random.
        flip_vertical: Whether top and bottom are swapped at random.
        fill: What fills the rim that a rotation or shift uncovers.
    """

    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    shift: Share = 0.0
    flip_horizontal: bool = False
    flip_vertical: bool = False
    fill: Literal["nearest", "constant", "reflect", "wrap"] = "nearest"


@dataclass(frozen=True, config=STRICT)
class Head:
    """What follows the backbone's pooled features.

    Attributes:
        dropout: Share of features dropped while training.
    """

    dropout: Share = 0.5


@dataclass(frozen=True, config=STRICT)
class Phase:
    """One phase of training.

    Attributes:
        trains: "head" (the backbone is frozen) or "all".
        learning_rate: Of Adam.
        epochs: At most so many.
        patience: Epochs without a better validation loss after which the phase stops.
    """

    trains: Literal["head", "all"]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    epochs: Annotated[int, Field(ge=1, le=1000)]
    patience: Annotated[int, Field(ge=1, le=1000)]


@dataclass(frozen=True, config=STRICT)
class Slices:
    """Which slices of a volume the network reads, and how their answers become one.

    Attributes:
        lowest_mm: Height of the lowest axial slice in standard space, in Talairach mm above the commissures.
        highest_mm: Height of the highest; every whole millimetre between is read.
        combine: How the slices' logits become those of the person.
    """

    lowest_mm: Annotated[float, Field(ge=-70, le=100)]
    highest_mm: Annotated[float, Field(ge=-70, le=100)]
    combine: Literal["mean_logit", "median_logit", "mean_probability"] = "mean_logit"

    def __post_init__(self) -> None:
        if self.lowest_mm > self.highest_mm:
            raise ValueError("lowest_mm lies above highest_mm")


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """Everything a training run depends on, but the data.

    Attributes:
        name: Short name; also the bundle's.
        title: One line for people.
        task: One of the tasks of `core.cohorts`.
        backbone: One of `core.networks.backbones`.
        height: Rows of the image the backbone sees, in pixels.
        width: Columns of it; the scan is fitted in with its aspect kept.
        phases: The phases, in order.
        start: "imagenet" (downloaded by Keras), "scratch", or "file" (given with the run).
        head: The layers after the backbone.
        augmentation: Random changes while training.
        slices: What is read of a volume; None for a network that knows single pictures only.
        class_weights: Whether rare classes count more (scikit-learn's "balanced").
        batch_size: Scans a step.
        precision: Arithmetic while training; predictions are always float32.
        seed: Of the start weights, the order of the scans and the augmentation.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    title: str
    task: str
    backbone: str
    height: Side
    width: Side
    phases: Annotated[tuple[Phase, ...], Field(min_length=1, max_length=9)]
    start: Literal["imagenet", "scratch", "file"] = "imagenet"
    head: Head = field(default_factory=Head)
    augmentation: Augmentation = field(default_factory=Augmentation)
    slices: Slices | None = None
    class_weights: bool = False
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """The answers, in the order of the network's outputs."""
        return self.as_task().classes

    def as_task(self) -> Task:
        """Return the task the recipe names."""
        return TASKS[self.task]


def recipe_from(values: dict[str, Any], source: str = "recipe") -> Recipe:
    """Make a Recipe of plain values, as they come from TOML or JSON.

    Args:
        values: Keys and values of the recipe.
        source: What to call it in an error.

    Raises:
        RecipeError: A key is unknown, missing or has an impossible value.
    """
    from core.networks.backbones import BACKBONES

    try:
        recipe = TypeAdapter(Recipe).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the recipe"
        received = "" if first["type"] == "missing" else f" Received: {first['input']!r}"
        raise RecipeError(f"{source}: {key}: {first['msg']}.{received}") from error
    for key, value, known in (("task", recipe.task, TASKS), ("backbone", recipe.backbone, BACKBONES)):
        if value not in known:
            raise RecipeError(f"{source}: {key}: expected one of {', '.join(known)}. Received: {value!r}")
    return recipe


def recipe_values(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as plain values for JSON, so that `recipe_from` gives it back."""
    values: dict[str, Any] = TypeAdapter(Recipe).dump_python(recipe, mode="json")
    return values


def read_recipe(name_or_path: str | Path) -> Recipe:
    """Read a recipe by its name among those shipped, or from a TOML file.

    Raises:
        RecipeError: There is no such recipe, or it is not valid.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = RECIPES / f"{path.name}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(recipe_names())
        raise RecipeError(f"there is no recipe {name_or_path}; shipped are {known}, or give a .toml file.") from error
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path.name} is not TOML: {str(error).splitlines()[0]}") from error
    return recipe_from(values, path.name)


def recipe_names() -> list[str]:
    """List the recipes that are shipped."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))
