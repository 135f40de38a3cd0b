"""A bundle in memory: predicts, and hands explanations the gradients they need."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from core.errors import BundleError, StageLensError, WeightsError
from core.networks.backend import Forward, compile_feature_gradient, compile_forward, compile_model
from core.networks.card import WEIGHTS_FILE, Bundle
from core.networks.combining import combined_logits
from core.networks.network import Network, build_network
from core.networks.weights import assign, load_tensors
from core.scans import Scan

BATCH = 16


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network says of one scan.

    Attributes:
        scan: The scan's generated name.
        model: The bundle's name.
        classes: The possible answers.
        logits: float32, one per class.
        slice_logits: float32, slices × classes, of a volume read slice by slice; None for an image.
        heights_mm: Height of each slice in standard space.
    """

    scan: str
    model: str
    classes: tuple[str, ...]
    logits: NDArray[np.float32]
    slice_logits: NDArray[np.float32] | None = None
    heights_mm: tuple[float, ...] = ()

    @property
    def probabilities(self) -> dict[str, float]:
        """The softmax of the logits, by class; not calibrated."""
        return dict(zip(self.classes, softmax(self.logits.astype(np.float64)).tolist(), strict=True))

    @property
    def slice_probabilities(self) -> NDArray[np.float64]:
        """The softmax of each slice's logits, slices × classes; one row for an image."""
        logits = self.logits[None] if self.slice_logits is None else self.slice_logits
        return np.asarray(softmax(logits.astype(np.float64), axis=1))

    @property
    def answer(self) -> str:
        """The class with the highest probability."""
        return self.classes[int(self.logits.argmax())]


class Predictor:
    """A loaded bundle. Safe to use from several threads; they take turns at its first calls."""

    def __init__(self, bundle: Bundle, network: Network) -> None:
        self.bundle = bundle
        self.network = network
        self._forward = compile_forward(network)
        self._gradient = compile_feature_gradient(network)
        self._embed: Forward | None = None
        self._turn = threading.Lock()

    def warm_up(self) -> None:
        """Compile both passes on an empty scan, so that the first person does not wait for it."""
        empty = np.zeros(self.network.input_shape[:-1], np.float32)
        self.logits([empty])
        if self.network.recipe.depth is None:
            self.feature_gradient([empty], np.zeros(1, np.int64))

    def logits(self, greys: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return logits, N × classes, of N grey scans in [0, 255] of any size, H × W, or D × H × W for 3D networks."""
        return np.concatenate([self._run_forward(batch) for batch in self._batches(greys)])

    def feature_gradient(
        self, greys: Sequence[NDArray[np.float32]], classes: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return logits, feature maps and the gradients of each scan's chosen logit with respect to its feature map.

        Args:
            greys: N grey scans, float32, H × W, in [0, 255], of any size.
            classes: int64, N, places in the recipe's classes.

        Returns:
            float32: N × classes, N × h × w × channels, N × h × w × channels.
        """
        start, results = 0, []
        for batch in self._batches(greys):
            with self._turn:
                results.append(self._gradient(batch, classes[start : start + len(batch)]))
            start += len(batch)
        logits, feature_maps, gradients = (np.concatenate(arrays) for arrays in zip(*results, strict=True))
        return logits, feature_maps, gradients

    def embeddings(self, greys: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the pooled features, N × channels, of N grey scans in [0, 255] of any size."""
        with self._turn:
            if self._embed is None:
                self._embed = compile_model(self.network.embedder)
            return np.concatenate([self._embed(batch) for batch in self._batches(greys)])

    def predict(self, scans: Sequence[Scan]) -> list[Prediction]:
        """Predict images, in order.

        Raises:
            StageLensError: The network reads volumes.
        """
        if not scans:
            return []
        if self.network.recipe.depth is not None:
            raise StageLensError(f"{self.bundle.name} reads whole volumes, not single pictures.")
        logits = self.logits([scan.grey() for scan in scans])
        recipe, name = self.network.recipe, self.bundle.name
        return [Prediction(scan.name, name, recipe.classes, row) for scan, row in zip(scans, logits, strict=True)]

    def predict_volume(self, name: str, slices: Sequence[Scan], heights_mm: Sequence[float]) -> Prediction:
        """Predict a volume of which these slices were cut, combined as the recipe says.

        Args:
            name: The volume's generated name.
            slices: The slices the recipe asks for.
            heights_mm: Their heights in standard space.
        """
        recipe = self.network.recipe
        assert recipe.slices is not None  # noqa: S101 - whoever cut slices has asked the recipe which
        logits = self.logits([scan.grey() for scan in slices])
        together = combined_logits(logits, recipe.slices.combine)
        return Prediction(name, self.bundle.name, recipe.classes, together, logits, tuple(heights_mm))

    def predict_whole(self, name: str, volume: NDArray[np.float32]) -> Prediction:
        """Predict a volume with a 3D network.

        Args:
            name: The volume's generated name.
            volume: Grey in [0, 255], D × H × W, as `core.networks.parts.volume_as_seen` turns it.
        """
        (logits,) = self.logits([volume])
        return Prediction(name, self.bundle.name, self.network.recipe.classes, logits)

    def _run_forward(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._turn:
            return self._forward(batch)

    def _batches(self, greys: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Stack scans of one size as they are, others at the network's size: the network resizes in either case."""
        if self.network.recipe.depth is None and len({grey.shape for grey in greys}) == 1:
            stacked = np.stack(greys).astype(np.float32)[..., None]
        else:
            stacked = self.network.fit_size(greys)
        return [stacked[start : start + BATCH] for start in range(0, len(stacked), BATCH)]


def load_predictor(bundle: Bundle) -> Predictor:
    """Build a bundle's network from its recipe and fill it with the bundle's weights.

    Raises:
        BundleError: The weights are missing, damaged or do not fit.
    """
    network = build_network(bundle.recipe)
    try:
        tensors = load_tensors(bundle.folder / WEIGHTS_FILE)
        assign(network.whole.weights, tensors, f"{bundle.name}/{WEIGHTS_FILE}")
    except WeightsError as error:
        raise BundleError(str(error)) from error
    return Predictor(bundle, network)
