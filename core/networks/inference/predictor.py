"""A bundle in memory: makes predictions, and provides the gradients that explanations need."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.errors import BundleError, StageLensError, WeightsError
from core.networks.architectures.network import Network, build_network
from core.networks.backend import Forward, Gradient, compile_gradient, compile_model
from core.networks.bundle import WEIGHTS_FILE, Bundle, check_digests
from core.networks.inference.aggregation import combined_logits
from core.networks.inference.engine import compile_body
from core.networks.inference.folding import folded
from core.networks.inference.prediction import Calibration, Prediction
from core.networks.inference.receptive_fields import Centres, cell_centres
from core.networks.inference.submodels import answering, guided, head_kernel, split_at
from core.networks.ood import OodModel, read_ood_model
from core.networks.weights.storage import load_tensors
from core.networks.weights.tensors import assign
from core.scans import Scan

BATCH, BATCH_OF_VOLUMES = 16, 1
GRADIENT_PIXELS = 4 * 224 * 224  # limit for a batch that is differentiated, since its activations stay in memory


class Predictor:
    """A loaded bundle. Safe to use from several threads; they take turns.

    Attributes:
        bundle: The bundle it was loaded from.
        network: The network itself.
        engine: What runs the forward passes: "openvino" or "keras".
    """

    def __init__(self, bundle: Bundle, network: Network, *, engine: str = "auto") -> None:
        """Compile the forward pass; `engine` as for `core.networks.inference.engine.compile_body`."""
        self.bundle = bundle
        self.network = network
        self.engine, self._body = compile_body(network, engine=engine)
        self._embed: Forward | None = None
        self._splits: dict[str, tuple[Forward, Gradient]] = {}
        self._gradients: dict[str, Gradient] = {}
        self._centres: dict[str, Centres] = {}
        self._turn = threading.Lock()
        self._calibrations = {unit: Calibration.of_card(bundle.card, unit) for unit in ("scan", "subject")}
        self._limit: float | None = bundle.card.ood.limit if bundle.card.ood is not None else None
        self._ood_model = read_ood_model(bundle.folder) if self._limit is not None else None

    def warm_up(self) -> None:
        """Run once on an empty scan, so that the first user does not wait."""
        self.features_and_logits(np.zeros((1, *self.network.input_shape), np.float32))

    def inputs(self, images: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Bring grey levels in [0, 255], H × W of any size (or D × H × W), to the network's size: N × … × 1."""
        return self.network.fit_size(images)

    def features_and_logits(self, inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return feature maps, N × h × w × channels, and logits, N × classes, of scans at the network's size."""
        with self._turn:
            found = [self._body(batch) for batch in _batches(inputs)]
        feature_maps, logits = zip(*found, strict=True)
        return np.concatenate(feature_maps), np.concatenate(logits)

    def logits_of(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits, N × classes, of scans at the network's size."""
        with self._turn:
            return np.concatenate([self._body(batch)[1] for batch in _batches(inputs)])

    def logits(self, images: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return logits, N × classes, of N images in [0, 255] of any size, H × W, or D × H × W for 3D networks."""
        return self.logits_of(self.inputs(images))

    def input_gradient(
        self, inputs: NDArray[np.float32], classes: NDArray[np.int64], *, kind: str = "plain"
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return logits and the gradient of each scan's chosen logit with respect to the network's input.

        Args:
            inputs: N × height × width × 1, or N × depth × height × width × 1.
            classes: int64, N, indices into the recipe's classes.
            kind: "plain"; "guided", with `core.networks.inference.submodels.GuidedReLU` in place of ReLU; "dropout",
                with the head's dropout active.

        Returns:
            float32: N × classes, and the shape of `inputs`.
        """
        with self._turn:
            if kind not in self._gradients:
                whole = answering(self.network)
                model = guided(self.network)[0] if kind == "guided" else folded(whole, self.network)
                self._gradients[kind] = compile_gradient(model, dropout=kind == "dropout")
            return _gradient_in_batches(self._gradients[kind], inputs, classes)

    def layer_gradient(
        self, inputs: NDArray[np.float32], classes: NDArray[np.int64], layer: str
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a layer's activations and the gradient of each scan's chosen logit with respect to them.

        Only what follows the layer is differentiated.

        Raises:
            StageLensError: The network cannot be cut at that layer.
        """
        activations = self.activations(inputs, layer)
        with self._turn:
            return activations, _gradient_in_batches(self._splits[layer][1], activations, classes)[1]

    def activations(self, inputs: NDArray[np.float32], layer: str) -> NDArray[np.float32]:
        """Return a layer's activations, N × … × channels, for scans at the network's size.

        Raises:
            StageLensError: The network cannot be cut at that layer.
        """
        with self._turn:
            if layer not in self._splits:
                lower, upper = split_at(self.network, layer)
                self._splits[layer] = (compile_model(lower), compile_gradient(upper))
            return np.concatenate([self._splits[layer][0](batch) for batch in _batches(inputs)])

    def cell_centres(self, layer: str) -> Centres:
        """Return where a layer's cells lie in the network's input; as `receptive_fields.cell_centres`, once a layer."""
        if layer not in self._centres:
            self._centres[layer] = cell_centres(self.network, layer)
        return self._centres[layer]

    def dropped_kernels(self, count: int, seed: int) -> NDArray[np.float32]:
        """Return the weights of a head without dense layers under random dropout: count × channels × classes."""
        kernel, fraction = head_kernel(self.network), self.network.recipe.head.dropout
        keeps = np.random.default_rng(seed).random((count, len(kernel), 1)) >= fraction
        return np.asarray(kernel * keeps / (1 - fraction), np.float32)

    def embeddings(self, images: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the pooled features, N × channels, of N images in [0, 255] of any size."""
        with self._turn:
            if self._embed is None:
                self._embed = compile_model(self.network.embedder)
            return np.concatenate([self._embed(batch) for batch in _batches(self.inputs(images))])

    def predict(self, scans: Sequence[Scan]) -> list[Prediction]:
        """Predict images, in order.

        Raises:
            StageLensError: The network reads volumes.
        """
        if not scans:
            return []
        if self.network.recipe.depth is not None:
            raise StageLensError(f"{self.bundle.name} reads whole volumes, not single pictures; give a volume.")
        feature_maps, logits = self.features_and_logits(self.inputs([scan.grey() for scan in scans]))
        predictions = [
            self.prediction_of(scan.name, feature_maps[[index]], logits[index]) for index, scan in enumerate(scans)
        ]
        return self.held_upright(predictions, scans)

    def held_upright(self, predictions: Sequence[Prediction], scans: Sequence[Scan]) -> list[Prediction]:
        """Run images upside down, too, in a second pass: one that is closer to the training scans then is rejected.

        Skipped if the network cannot tell: it has no OOD model, or was trained on images turned upside down.
        """
        if self._ood_model is None or not self.knows_upright or not scans:
            return list(predictions)
        scores = self.turned_scores(self.inputs([scan.grey() for scan in scans]))
        return [
            replace(prediction, ood=prediction.ood and replace(prediction.ood, turned=float(score)))
            for prediction, score in zip(predictions, scores, strict=True)
        ]

    @property
    def ood_limit(self) -> float | None:
        """The OOD score up to which a scan is accepted; None without an OOD model."""
        return self._limit

    def ood_scores(self, inputs: NDArray[np.float32], ood_model: OodModel | None = None) -> NDArray[np.float32]:
        """Return the OOD scores of images, N × height × width × 1, at the network's size.

        Args:
            inputs: The images.
            ood_model: The OOD model to use; None for the bundle's own.
        """
        model = ood_model or self._ood_model
        assert model is not None  # noqa: S101 - checked by the callers
        return model.scores(self.features_and_logits(inputs)[0])[0]

    @property
    def knows_upright(self) -> bool:
        """Whether the network was trained on upright images only."""
        return self.network.recipe.knows_upright

    def turned_scores(self, inputs: NDArray[np.float32], ood_model: OodModel | None = None) -> NDArray[np.float32]:
        """Return the OOD scores of images, N × height × width × 1, turned upside down.

        Args:
            inputs: The images at the network's size.
            ood_model: The OOD model to use; None for the bundle's own.
        """
        return self.ood_scores(np.ascontiguousarray(inputs[:, ::-1]), ood_model)

    def predict_volume(self, name: str, slices: Sequence[Scan], heights_mm: Sequence[float]) -> Prediction:
        """Predict a volume from slices cut from it, aggregated as the recipe says.

        Args:
            name: The volume's generated name.
            slices: The slices the recipe asks for.
            heights_mm: Their heights in standard space.
        """
        recipe = self.network.recipe
        assert recipe.slices is not None  # noqa: S101 - only such a recipe's slices are cut
        feature_maps, logits = self.features_and_logits(self.inputs([scan.grey() for scan in slices]))
        whole = self.prediction_of(name, feature_maps, combined_logits(logits, recipe.slices.combine))
        return replace(
            whole, slice_logits=logits, heights_mm=tuple(heights_mm), calibration=self._calibrations["subject"]
        )

    def predict_whole(self, name: str, volume: NDArray[np.float32]) -> Prediction:
        """Predict a volume with a 3D network.

        Args:
            name: The volume's generated name.
            volume: Grey levels in [0, 255], D × H × W, oriented as by `core.networks.subset.volume_as_seen`.
        """
        feature_maps, logits = self.features_and_logits(self.inputs([volume]))
        return self.prediction_of(name, feature_maps, logits[0])

    def prediction_of(self, name: str, feature_maps: NDArray[np.float32], logits: NDArray[np.float32]) -> Prediction:
        """Make a Prediction from a scan's logits and feature maps, with calibration and OOD score.

        Args:
            name: The scan's generated name.
            feature_maps: 1 × … × channels; slices × … × channels for a volume read slice by slice.
            logits: One per class.
        """
        classes, ood = self.network.recipe.classes, None
        if self._ood_model is not None and self._limit is not None:
            ood = self._ood_model.ood(feature_maps, classes, self._limit)
        of_scan = self._calibrations["scan"]
        return Prediction(
            scan=name,
            model=self.bundle.name,
            classes=classes,
            logits=logits,
            calibration=of_scan,
            slice_calibration=of_scan,
            ood=ood,
        )


def _batches(inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    size = BATCH if inputs.ndim == 4 else BATCH_OF_VOLUMES
    return [inputs[start : start + size] for start in range(0, len(inputs), size)]


def _gradient_in_batches(
    gradient: Gradient, given: NDArray[np.float32], classes: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    size = min(BATCH, max(1, GRADIENT_PIXELS // int(np.prod(given.shape[1:3])))) if given.ndim == 4 else 1
    batches = (slice(start, start + size) for start in range(0, len(given), size))
    logits, gradients = zip(*(gradient(given[batch], classes[batch]) for batch in batches), strict=True)
    return np.concatenate(logits), np.concatenate(gradients)


def load_predictor(bundle: Bundle, *, engine: str = "auto") -> Predictor:
    """Build a bundle's network from its recipe and load the bundle's weights.

    Args:
        bundle: The bundle to load.
        engine: What runs the forward passes, as for `core.networks.inference.engine.compile_body`.

    Raises:
        BundleError: The weights are missing, damaged, not those the card speaks of, or do not fit.
    """
    check_digests(bundle)
    network = build_network(bundle.recipe)
    try:
        tensors = load_tensors(bundle.folder / WEIGHTS_FILE)
        assign(network.whole.weights, tensors, f"{bundle.name}/{WEIGHTS_FILE}")
    except WeightsError as error:
        raise BundleError(str(error)) from error
    return Predictor(bundle, network, engine=engine)


def randomised(predictor: Predictor, *, fraction: float = 1.0, seed: int = 0) -> tuple[Predictor, str]:
    """Return a copy of a network with the weights of its layers, from the logits down, reinitialised at random.

    BatchNorm is reset, too: scales and offsets as well as running means and variances.

    Args:
        predictor: The trained network; not changed.
        fraction: Fraction of the layers with weights, 1 for all.
        seed: Seed for the new weights.

    Returns:
        The copy, whose forward passes run in Keras, and the name of the last layer that was randomised.
    """
    recipe = predictor.network.recipe
    fresh = build_network(replace(recipe, seed=seed + 1))
    copy, source = fresh.whole.weights, predictor.network.whole.weights
    layers = list(dict.fromkeys(_layer_of(variable.path) for variable in copy))
    kept = set(layers[: round(len(layers) * (1 - fraction))])
    for variable, original in zip(copy, source, strict=True):
        if _layer_of(variable.path) in kept:
            variable.assign(original)
    last = layers[len(kept)]
    return Predictor(predictor.bundle, fresh, engine="keras"), last.rsplit("/", 1)[-1]


def _layer_of(path: str) -> str:
    return path.rsplit("/", 1)[0]
