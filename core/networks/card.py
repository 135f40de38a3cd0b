"""The card of a bundle: what a network is, what it was trained on, and how far its figures go. Knows no Keras."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BundleError, RecipeError
from core.files import PROJECT, write_json
from core.networks.recipe import Recipe, recipe_from

FORMAT = 1
CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.safetensors"
DEFAULT_FILE = "DEFAULT"
MODELS_VARIABLE = "STAGELENS_MODELS"
NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")
REQUIRED = ("format", "name", "recipe", "classes", "data_fingerprint", "split", "by_slice", "by_subject", "date",
            "versions", "intended_use", "limits")  # fmt: skip


@dataclass(frozen=True)
class Bundle:
    """A trained network on disk: a folder with a card and weights.

    Attributes:
        folder: Where it is.
        recipe: What the network is built from.
        card: The card's values, as in `card.json`.
    """

    folder: Path
    recipe: Recipe
    card: dict[str, Any]

    @property
    def name(self) -> str:
        """The bundle's name."""
        return str(self.card["name"])


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Write a card, plain values without NaN; the old one or the new one is there, never a half."""
    write_json(folder / CARD_FILE, card)


def models_folder() -> Path:
    """Return the folder of shipped bundles: $STAGELENS_MODELS, or `models` beside the package."""
    chosen = os.environ.get(MODELS_VARIABLE)
    return Path(chosen) if chosen else PROJECT / "models"


def open_bundle(name: str | Path | None = None) -> Bundle:
    """Open a bundle's card; the weights stay on disk.

    Args:
        name: A bundle of the models folder, or the path of a bundle's own folder; None for the default bundle.

    Raises:
        BundleError: There is no such bundle, or its card is missing, damaged or contradicts itself.
    """
    chosen = str(name) if name is not None else _default_name()
    folder = (
        models_folder() / chosen if NAME.match(chosen) and not (Path(chosen) / CARD_FILE).exists() else Path(chosen)
    )
    try:
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(bundle_names()) or "none"
        raise BundleError(f"there is no model {chosen}; known are {known}.") from error
    except (OSError, ValueError) as error:
        raise BundleError(f"the card of {chosen} is damaged: {str(error).splitlines()[0]}") from error
    return Bundle(folder, _checked_recipe(card, chosen), card)


def bundle_names() -> list[str]:
    """List the bundles of the models folder."""
    return sorted(path.parent.name for path in models_folder().glob(f"*/{CARD_FILE}"))


def _default_name() -> str:
    marker, names = models_folder() / DEFAULT_FILE, bundle_names()
    if marker.is_file():
        return marker.read_text(encoding="utf-8").strip()
    if len(names) == 1:
        return names[0]
    raise BundleError(f"no default model is set in {models_folder()}; name one of {', '.join(names) or 'none'}.")


def _checked_recipe(card: Any, name: str) -> Recipe:
    missing = [key for key in REQUIRED if not isinstance(card, dict) or key not in card]
    if missing:
        raise BundleError(f"the card of {name} is incomplete: it has no {missing[0]}.")
    if card["format"] != FORMAT:
        raise BundleError(f"the card of {name} has format {card['format']!r}; this version reads {FORMAT}.")
    if not NAME.match(str(card["name"])):
        raise BundleError(f"the card of {name} names the model {str(card['name'])[:40]!r}; plain small letters only.")
    try:
        recipe = recipe_from(card["recipe"], f"the card of {name}")
    except RecipeError as error:
        raise BundleError(str(error)) from error
    if list(recipe.classes) != card["classes"]:
        raise BundleError(f"the card of {name} lists {len(card['classes'])} classes that are not those of its recipe.")
    return recipe
