"""The Recipe: everything a training run depends on, as one frozen, validated value; TOML on disk."""

import tomllib
from collections.abc import Iterable
from dataclasses import field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from core.cohorts.tasks import CUSTOM, TASKS, Task
from core.errors import RecipeError, shortened
from core.files import read_file

if TYPE_CHECKING:
    from core.networks.architectures.backbones import Backbone

PIXELS = "pixels"
RECIPES = Path(__file__).parent / "recipes"
MOST_TILT = 45.0  # degrees; a network trained on images rotated further cannot tell which way up they are
STRICT = ConfigDict(extra="forbid")

OversamplingMethod = Literal["smote", "borderline_smote", "svm_smote", "adasyn", "repetition"]
Aggregation = Literal["mean_logit", "median_logit", "mean_probability"]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Side = Annotated[int, Field(ge=32, le=1024)]


@dataclass(frozen=True, config=STRICT)
class Augmentation:
    """Random changes of the training scans, made inside the network while it trains.

    Attributes:
        rotation_degrees: Largest rotation to either side.
        shift: Largest shift, as a fraction of height and width.
        zoom: Largest change of scale, as a fraction; height and width change independently.
        shear_degrees: Largest shear to either side.
        flip_horizontal: Whether left and right are swapped at random.
        flip_vertical: Whether top and bottom are swapped at random.
        fill: What fills uncovered borders.
    """

    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    shift: Fraction = 0.0
    zoom: Fraction = 0.0
    shear_degrees: Annotated[float, Field(ge=0, le=60)] = 0.0
    flip_horizontal: bool = False
    flip_vertical: bool = False
    fill: Literal["nearest", "constant", "reflect", "wrap"] = "nearest"

    @property
    def changes(self) -> bool:
        """Whether anything is changed at all."""
        amounts = (self.rotation_degrees, self.shift, self.zoom, self.shear_degrees)
        return any(amounts) or self.flip_horizontal or self.flip_vertical


@dataclass(frozen=True, config=STRICT)
class Head:
    """What follows the backbone's pooled features: dense ReLU layers, each followed by dropout, and the logits.

    Attributes:
        dense: Widths of the dense layers; if empty, dropout and logits follow the pooling.
        dropout: Fraction of features dropped during training.
    """

    dense: Annotated[tuple[Annotated[int, Field(ge=1, le=8192)], ...], Field(max_length=4)] = ()
    dropout: Fraction = 0.5


@dataclass(frozen=True, config=STRICT)
class Imbalance:
    """How class imbalance is handled.

    Attributes:
        class_weights: Whether scans of rare classes count more (scikit-learn's "balanced").
        sampling: "weighted" draws every class equally often, with replacement; "shuffled" every scan once per epoch.
        loss: "cross_entropy", or "focal" (Lin et al., ICCV 2017, equation 4).
        focal_gamma: The focusing parameter of the focal loss.
    """

    class_weights: bool = False
    sampling: Literal["shuffled", "weighted"] = "shuffled"
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: Annotated[float, Field(ge=0, le=10)] = 2.0


@dataclass(frozen=True, config=STRICT)
class Oversampling:
    """Synthetic embeddings for rare classes, by imbalanced-learn.

    Attributes:
        method: SMOTE (Chawla et al., JAIR 2002), one of its variants, or plain repetition.
        target: Number of embeddings each class is brought up to; None for that of the largest class. No class shrinks.
        neighbours: Number of neighbours for interpolation; fewer if a class is smaller.
    """

    method: OversamplingMethod = "smote"
    target: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    neighbours: Annotated[int, Field(ge=1, le=100)] = 5


@dataclass(frozen=True, config=STRICT)
class Phase:
    """One phase of training.

    Attributes:
        trains: "head" (the backbone is frozen), "last_block" of the backbone and the head, everything "from_layer" on,
            or "all".
        learning_rate: Learning rate at the start of the phase.
        epochs: Maximum number of epochs.
        patience: The phase stops after so many epochs without a better validation loss.
        from_layer: The first layer of the backbone that trains, for "from_layer".
        batch_norm: Whether BatchNorm layers that are not frozen are trained ("train") or not ("freeze").
        schedule: "constant"; "cosine" decays to zero over the epochs; "plateau" divides the rate by five after two
            epochs without a better validation loss.
        optimizer: Name of Keras' optimizer.
        views: For "head": how many augmented views of each scan are embedded once and used in turn. 0 embeds the
            unchanged scans if the recipe has no augmentation, and trains through the frozen backbone if it has.
        oversampling: Synthetic embeddings, for a "head" phase on embeddings.
        fresh_head: Whether the head is reinitialised.
        augmentation: Replaces the recipe's in a phase that trains more than the head, for example in a cool-down.
    """

    trains: Literal["head", "last_block", "from_layer", "all"]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    epochs: Annotated[int, Field(ge=1, le=1000)]
    patience: Annotated[int, Field(ge=1, le=1000)]
    from_layer: str | None = None
    batch_norm: Literal["train", "freeze"] = "train"
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    views: Annotated[int, Field(ge=0, le=100)] = 0
    oversampling: Oversampling | None = None
    fresh_head: bool = False
    augmentation: Augmentation | None = None

    def __post_init__(self) -> None:
        if (self.from_layer is not None) != (self.trains == "from_layer"):
            raise ValueError('from_layer and trains = "from_layer" go together')
        if self.trains != "head" and (self.views or self.oversampling is not None):
            raise ValueError('views and oversampling need trains = "head"')
        if self.trains == "head" and self.augmentation is not None:
            raise ValueError("a head phase uses the recipe's augmentation")


@dataclass(frozen=True, config=STRICT)
class Classic:
    """A scikit-learn classifier in place of the trained head: a baseline.

    Attributes:
        kind: Logistic regression, a support vector machine, or k nearest neighbours.
        strength: C, the inverse regularisation strength, for the first two.
        kernel: Kernel of the support vector machine.
        neighbours: k of the nearest neighbours.
        components: Number of principal components to which features are reduced first; None for all features.
    """

    kind: Literal["logistic_regression", "svm", "nearest_neighbours"]
    strength: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    kernel: Literal["linear", "rbf"] = "linear"
    neighbours: Annotated[int, Field(ge=1, le=1000)] = 1
    components: Annotated[int, Field(ge=1, le=10_000)] | None = None


@dataclass(frozen=True, config=STRICT)
class Slices:
    """Which slices of a volume the network reads, and how their predictions are aggregated.

    Attributes:
        lowest_mm: Height of the lowest axial slice in standard space, in Talairach mm above the AC–PC line.
        highest_mm: Height of the highest slice; there is one slice per millimetre.
        combine: How the slices' logits are aggregated to those of the subject.
    """

    lowest_mm: Annotated[float, Field(ge=-70, le=100)]
    highest_mm: Annotated[float, Field(ge=-70, le=100)]
    combine: Aggregation = "mean_logit"

    def __post_init__(self) -> None:
        if self.lowest_mm > self.highest_mm:
            raise ValueError("lowest_mm lies above highest_mm")


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """Everything a training run depends on except the data.

    Attributes:
        name: Short name; also the bundle's.
        title: One line for people.
        task: One of the tasks of `core.cohorts`, or "custom" for classes of one's own.
        backbone: One of `core.networks.architectures.backbones`, or "pixels" for a classic classifier on the scans
            themselves.
        height: Rows of the backbone's input, in pixels.
        width: Columns of the backbone's input; scans are scaled to it with their aspect ratio kept.
        depth: Slices of a 3D backbone's input; None for 2D.
        output_stride: Pixels of the input per cell of the feature map, and so of a heatmap: 16 for a last stage that is
            dilated instead of strided (Chen et al., DeepLab, TPAMI 2018, section 3.1); None as the architecture has it.
        phases: The phases, in order; empty for a classic classifier.
        start: "imagenet" (downloaded by Keras), "scratch", or "file" (given with the run).
        head: The layers after the backbone.
        augmentation: Random changes during training.
        imbalance: How class imbalance is handled during training.
        slices: Which slices of a volume are read; None for a network that reads only single pictures, or whole volumes.
        classic: A scikit-learn classifier in place of phases.
        batch_size: Scans per step.
        precision: Arithmetic during training; predictions are always float32. "auto" uses bfloat16 if the hardware
            supports it.
        seed: Seed for the start weights, the order of the scans and the augmentation.
        own_task: Classes of one's own: classes, ordered, positive, title, synonyms; None for a known task.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    title: str
    task: str
    backbone: str
    height: Side
    width: Side
    phases: Annotated[tuple[Phase, ...], Field(max_length=9)] = ()
    depth: Side | None = None
    output_stride: Literal[16] | None = None
    start: Literal["imagenet", "scratch", "file"] = "imagenet"
    head: Head = field(default_factory=Head)
    augmentation: Augmentation = field(default_factory=Augmentation)
    imbalance: Imbalance = field(default_factory=Imbalance)
    slices: Slices | None = None
    classic: Classic | None = None
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16", "auto"] = "float32"
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    own_task: Task | None = None

    def __post_init__(self) -> None:
        if (not self.phases) != (self.classic is not None):
            raise ValueError("a recipe has either phases or a classic classifier")
        if self.backbone == PIXELS and self.classic is None:
            raise ValueError('the backbone "pixels" is for classic classifiers')
        for phase in self.phases:
            if phase.oversampling is not None and not self.on_embeddings(phase):
                raise ValueError("oversampling needs embeddings: no augmentation, or views")
        if (self.task == CUSTOM) != (self.own_task is not None):
            raise ValueError('task = "custom" and own_task, with its classes, go together')
        if self.own_task is not None and len(self.own_task.classes) < 2:
            raise ValueError("own_task has one class; a network needs two or more to tell apart")

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the network's outputs."""
        return self.as_task().classes

    def as_task(self) -> Task:
        """Return the task the recipe names."""
        return self.own_task if self.own_task is not None else TASKS[self.task]

    @property
    def aggregation(self) -> Aggregation:
        """How the logits of a subject's slices become those of the subject."""
        return self.slices.combine if self.slices is not None else "mean_logit"

    @property
    def knows_upright(self) -> bool:
        """Whether the network is trained on upright images only, so that it can tell one that is upside down."""
        seen = [self.augmentation, *(phase.augmentation for phase in self.phases if phase.augmentation is not None)]
        return self.depth is None and not any(one.flip_vertical or one.rotation_degrees > MOST_TILT for one in seen)

    def augmentation_of(self, phase: Phase) -> Augmentation:
        """Return the augmentation of a phase."""
        return self.augmentation if phase.augmentation is None else phase.augmentation

    def on_embeddings(self, phase: Phase) -> bool:
        """Tell whether a phase trains on stored embeddings instead of through the frozen backbone."""
        return phase.trains == "head" and (phase.views > 0 or not self.augmentation.changes)


TABLES = {  # where settings lie that are not the recipe's own; the likeliest last
    "own_task": Task,
    "slices": Slices,
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
        ("backbone", recipe.backbone, [*BACKBONES, PIXELS]),
    ):
        if value not in known:
            raise RecipeError(f"{source}: {key}: expected one of {', '.join(known)}. Received: {value!r}")
    if recipe.backbone != PIXELS:
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
    for key in ("own_task", "output_stride"):
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
