"""The weights that a phase of a training ended with, kept in its run's folder as phase1.safetensors and so on."""

from pathlib import Path

from core.errors import BundleError, WeightsError
from core.networks.architectures.network import Network, build_network
from core.networks.recipe import Recipe
from core.networks.weights.storage import load_tensors
from core.networks.weights.tensors import assign


def phases_of_run(run: Path) -> list[int]:
    """Return the numbers of the phases whose weights a run's folder holds."""
    found = (path.stem.removeprefix("phase") for path in run.glob("phase*.safetensors"))
    return sorted(int(number) for number in found if number.isdecimal() and int(number) > 0)  # 0: before the first


def network_of_phase(run: Path, phase: int, recipe: Recipe) -> Network:
    """Return a run's network as a phase left it.

    Args:
        run: The run's folder.
        phase: Its number, from 1.
        recipe: The run's.

    Raises:
        BundleError: There is no such checkpoint, or it is damaged.
    """
    known = phases_of_run(run)
    if phase not in known:
        kept = f"phase{'' if len(known) == 1 else 's'} {', '.join(map(str, known))}"
        there = f"it holds {kept if known else 'no checkpoint'}"
        raise BundleError(f"{run} has no checkpoint of phase {phase}; {there}.")
    network, path = build_network(recipe), run / f"phase{phase}.safetensors"
    try:
        assign(network.whole.weights, load_tensors(path), str(path))
    except WeightsError as error:
        raise BundleError(str(error)) from error
    return network
