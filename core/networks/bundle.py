"""A Bundle: a trained network on disk, a folder with a card and weights. Knows no Keras."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import BundleError, shortened
from core.files import PROJECT, sha256_of
from core.networks.card import CARD_FILE, NAME, Card, card_from
from core.networks.recipe import Recipe
from core.plain import finite_json

WEIGHTS_FILE, OOD_FILE = "weights.safetensors", "ood.safetensors"
DEFAULT_FILE = "DEFAULT"
MODELS_VARIABLE = "STAGELENS_MODELS"


@dataclass(frozen=True)
class Bundle:
    """A trained network on disk.

    Attributes:
        folder: Where it is.
        card: What is known of it.
    """

    folder: Path
    card: Card

    @property
    def name(self) -> str:
        """The bundle's name."""
        return self.card.name

    @property
    def recipe(self) -> Recipe:
        """What the network is built from."""
        return self.card.recipe


def with_digests(card: Card, folder: Path) -> Card:
    """Return a card that knows the weights and the OOD model that lie in a bundle's folder."""
    found = [name for name in (WEIGHTS_FILE, OOD_FILE) if (folder / name).is_file()]
    return replace(card, digests={name: sha256_of(folder / name) for name in found})


def check_digests(bundle: Bundle) -> dict[str, str]:
    """See that a bundle's weights and OOD model are those its card speaks of, where the card says which these are.

    Returns:
        SHA-256 of each that is there, by the file's name.

    Raises:
        BundleError: There are no weights, or a file is another one.
    """
    files = {name: bundle.folder / name for name in (WEIGHTS_FILE, OOD_FILE)}
    if not files[WEIGHTS_FILE].is_file():
        raise BundleError(f"there is no weights file {files[WEIGHTS_FILE]}.")
    found = {name: sha256_of(file) for name, file in files.items() if file.is_file()}
    for name, digest in bundle.card.digests.items():
        if name in found and found[name] != digest:
            remedy = ", or run stagelens calibrate on it" if name == OOD_FILE else ""
            raise BundleError(
                f"{name} of {bundle.name} is not the file whose tests are on its card; put the original back{remedy}."
            )
    return found


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
    folder = bundle_folder(chosen)
    try:
        values = finite_json((folder / CARD_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BundleError(_no_model(chosen, folder)) from error
    except OSError as error:
        raise BundleError(f"there is no model {shortened(str(chosen))}: {error.strerror}.") from error
    except ValueError as error:
        raise BundleError(f"the card of {chosen} is damaged: {str(error).splitlines()[0]}") from error
    return Bundle(folder, card_from(values, chosen))


def _no_model(chosen: str, folder: Path) -> str:
    """Say that there is no bundle, and where there might be one."""
    if (folder / "bundle" / CARD_FILE).is_file():
        return f"{chosen} is a run; its model is {folder / 'bundle'}."
    if (folder / "metrics.json").is_file():
        return f"{chosen} is a run of a classic classifier, which leaves metrics and no network to predict with."
    if folder.is_dir():
        return f"{chosen} is a folder without a model: it holds no {CARD_FILE}."
    return f"there is no model {chosen}; known are {', '.join(bundle_names()) or 'none'}."


def bundle_folder(name: str | Path | None = None) -> Path:
    """Return where a bundle of a name, or of a path, would be; arguments as for `open_bundle`.

    Raises:
        BundleError: No name is given, and there is no default bundle.
    """
    chosen = str(name) if name is not None else _default_name()
    in_models = re.match(NAME, chosen) and not (Path(chosen) / CARD_FILE).exists()
    return models_folder() / chosen if in_models else Path(chosen)


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
