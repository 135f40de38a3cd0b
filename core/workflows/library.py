"""What lies ready: shipped models and sample scans. Loads no network."""

import contextlib
import functools
from pathlib import Path

from core.errors import BundleError
from core.files import PROJECT
from core.networks.bundle import Bundle, bundle_names, open_bundle
from core.networks.recipe_files import read_recipe, recipe_names

SAMPLES = PROJECT / "sample_scans"
SHORTLY = {"alzheimer": "Stage", "tumour": "Tumour"}


def card_titles() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return title and classes of every readable bundle, by name; with what they answer, if not all answer the same."""
    bundles = _readable()
    several = len({bundle.recipe.classes for bundle in bundles.values()}) > 1
    return {
        name: (f"{_answers(bundle)}: {bundle.card.title}" if several else bundle.card.title, bundle.recipe.classes)
        for name, bundle in bundles.items()
    }


def _readable() -> dict[str, Bundle]:
    """Return every bundle whose card can be read, by name; of others the page Model cards says what is wrong."""
    bundles = {}
    for name in bundle_names():
        with contextlib.suppress(BundleError):
            bundles[name] = open_bundle(name)
    return bundles


def _answers(bundle: Bundle) -> str:
    """Say in a word what a bundle answers."""
    task = bundle.recipe.as_task()
    return SHORTLY.get(task.name, task.title)


def default_model() -> str:
    """Return the name of the default bundle, or of the first where none is set."""
    try:
        return open_bundle().name
    except BundleError:
        return bundle_names()[0]


def models_of_other_questions(name: str) -> dict[str, str]:
    """Return for each other question than this bundle's one that reads single pictures, the default where it does.

    Returns:
        Name to question.
    """
    bundles = _readable()
    first = default_model()
    answered, found = {bundles[name].recipe.classes}, {}
    for other in sorted(bundles, key=lambda other: (other != first, other)):
        recipe = bundles[other].recipe
        if recipe.classes not in answered and recipe.depth is None:
            answered.add(recipe.classes)
            found[other] = recipe.as_task().title
    return found


def reads_volumes(name: str) -> bool:
    """Tell whether a bundle's network reads volumes slice by slice."""
    return open_bundle(name).recipe.slices is not None


def reads_pictures(name: str) -> bool:
    """Tell whether a bundle reads single pictures, and not whole volumes only."""
    return open_bundle(name).recipe.depth is None


@functools.cache
def offered_recipes() -> tuple[str, ...]:
    """List the shipped recipes that need nothing but a split: no table of people."""
    return tuple(name for name in recipe_names() if not read_recipe(name).asks_for_age)


def sample_scans() -> dict[str, Path]:
    """Return the sample scans by what they show, such as "ICBM average brain, 16 mm above the AC–PC line"."""
    found = {}
    for path in sorted(SAMPLES.glob("icbm_*")):
        what, _, height = path.name.split(".")[0].removeprefix("icbm_").partition("_z")
        kind = "ICBM average brain" if what in {"template", "volume"} else f"Synthetic, {what} loss of brain"
        found[f"{kind}, {int(height)} mm above the AC–PC line" if height else f"{kind}, tilted volume (NIfTI)"] = path
    return dict(sorted(found.items(), key=lambda item: item[1].suffix == ".png"))


def sample_heights(path: Path) -> float | None:
    """Return the height in mm that a sample slice's name tells."""
    _, _, height = path.name.split(".")[0].partition("_z")
    return float(height) if height else None
