"""What lies ready: shipped models and sample scans. Loads no network."""

from pathlib import Path

from core.errors import BundleError
from core.networks.card import bundle_names, open_bundle

SAMPLES = Path(__file__).resolve().parents[2] / "sample_scans"


def card_titles() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return title and classes of every readable bundle, by name."""
    titles = {}
    for name in bundle_names():
        try:
            bundle = open_bundle(name)
        except BundleError:
            continue  # the Models page says what is wrong with it
        titles[name] = (str(bundle.card["title"]), bundle.recipe.classes)
    return titles


def default_model() -> str:
    """Return the name of the default bundle, or of the first where none is set."""
    try:
        return open_bundle().name
    except BundleError:
        return bundle_names()[0]


def sample_scans() -> dict[str, Path]:
    """Return the sample scans by what they show, such as "icbm marked, 16 mm"."""
    found = {}
    for path in sorted(SAMPLES.glob("*.png")):
        what, height = path.stem.removeprefix("icbm_").rsplit("_z", 1)
        kind = "ICBM average brain" if what == "template" else f"Synthetic, {what} loss of brain"
        found[f"{kind}, {int(height)} mm above the commissures"] = path
    return found
