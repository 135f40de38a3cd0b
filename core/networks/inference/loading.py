"""From a bundle on disk to a predictor. Knows Keras only for networks that were never compiled on this machine."""

from typing import TYPE_CHECKING, Any

from core.networks.bundle import WEIGHTS_FILE, Bundle, check_digests
from core.networks.inference.compiled import compiled_body_of
from core.networks.inference.engine import Body, wants_openvino
from core.networks.inference.predictor import Predictor

if TYPE_CHECKING:
    from core.networks.architectures.network import Network


def load_predictor(bundle: Bundle, *, engine: str = "auto") -> Predictor:
    """Load a bundle: its forward pass from the user's cache, or else by building the network and compiling it.

    Args:
        bundle: The bundle to load.
        engine: What runs the forward passes: "openvino", "keras", or "auto": OpenVINO where it converts such networks.

    Raises:
        BundleError: The weights are missing, damaged, not those the card speaks of, or do not fit.
    """
    digests = check_digests(bundle)
    if bundle.recipe.morphometry is not None:
        from core.networks.inference.morphometric import read_tissue_model, tissue_body

        model = read_tissue_model(bundle)
        return Predictor(bundle, body=tissue_body(model, bundle.recipe), tissue_model=model)
    if engine == "keras" or not wants_openvino():
        from core.networks.inference.gradients import load_network

        return Predictor(bundle, load_network(bundle), engine=engine)
    built: list[Network] = []

    def make() -> tuple[Body, Any]:
        from core.networks.inference.conversion import compiled_body
        from core.networks.inference.gradients import load_network

        built.append(load_network(bundle))
        return compiled_body(built[0], engine=engine)

    body = compiled_body_of(bundle, digests[WEIGHTS_FILE], make)
    return Predictor(bundle, built[0] if built else None, body=body)
