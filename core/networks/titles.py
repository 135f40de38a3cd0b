"""What a network is called: made from the settings it was trained with, whatever its recipe's file says."""

from core.networks.architectures.backbones import BACKBONES
from core.networks.recipe import PIXELS, Recipe

CLASSIC = {
    "logistic_regression": "logistic regression",
    "svm": "support vector machine",
    "nearest_neighbours": "nearest neighbours",
}
MORPHOMETRIC = {"tissue_maps": "Ridge on tissue maps", "fluid_fraction": "Fraction of cerebrospinal fluid"}
STARTS = {"imagenet": "from ImageNet", "scratch": "from scratch", "file": "from weights on disk"}


def shape_of(recipe: Recipe) -> str:
    """Return the size of the input.

    Returns:
        Such as "104 × 88", or "128 × 128 × 128" of a network of volumes.
    """
    return " × ".join(str(side) for side in (recipe.depth, recipe.height, recipe.width) if side)


def title_of(recipe: Recipe, start: str = "") -> str:
    """Return one line for people.

    Args:
        recipe: The settings.
        start: What the first weights were, as `core.networks.weights.tensors.set_start_weights` says it; "" for what
            the recipe asks for.

    Returns:
        Such as "ResNet18, 32 × 32, from scratch"; with the classes, where they are the recipe's own.
    """
    classes = "" if recipe.own_task is None else f": {', '.join(recipe.classes)}"
    if recipe.morphometry is not None:
        aged = ", with age" if recipe.asks_for_age else ""
        return f"{MORPHOMETRIC[recipe.morphometry.kind]}, {shape_of(recipe)}{aged}{classes}"
    if start.startswith("ImageNet"):
        begun = STARTS["imagenet"]
    elif start.startswith("random"):
        begun = STARTS["scratch"]
    else:
        begun = f"from {start.partition(' (')[0]}" if start else STARTS[recipe.start]
    network = "Pixels" if recipe.backbone == PIXELS else BACKBONES[recipe.backbone].title
    if recipe.classic is None:
        return f"{network}, {shape_of(recipe)}, {begun}{classes}"
    classifier = CLASSIC[recipe.classic.kind]
    return f"{network}, {shape_of(recipe)}, {classifier}{'' if recipe.backbone == PIXELS else f', {begun}'}{classes}"
