"""A bundle in memory: makes predictions, and provides what explanations need. Knows Keras only for gradients."""

import functools
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.cohorts.names.columns import OLDEST
from core.errors import StageLensError
from core.networks.architectures.geometry import fit_size, input_shape
from core.networks.bundle import WEIGHTS_FILE, Bundle
from core.networks.inference.aggregation import combined_logits
from core.networks.inference.batches import Seen, batches
from core.networks.inference.compiled import told
from core.networks.inference.engine import Body, Centres, Floats
from core.networks.inference.prediction import Calibration, Prediction
from core.networks.ood import OodModel, read_ood_model
from core.networks.recipe import Recipe
from core.networks.weights.storage import load_tensor
from core.scans import Scan
from core.scans.framing import is_clearly_upright

if TYPE_CHECKING:
    from core.morphometry.model import TissueModel
    from core.networks.architectures.network import Network
    from core.networks.inference.gradients import Gradients


class Predictor:
    """A loaded bundle. Safe to use from several threads; they take turns.

    Attributes:
        bundle: The bundle it was loaded from.
        body: Its compiled forward pass.
        tissue_model: What it runs, where that is a morphometric model and no network.
        age: Of the people whose scans it reads, in years; None if unknown, or not asked for.
    """

    def __init__(
        self,
        bundle: Bundle,
        network: "Network | None" = None,
        *,
        engine: str = "auto",
        body: Body | None = None,
        tissue_model: "TissueModel | None" = None,
        age: float | None = None,
    ) -> None:
        """Take a compiled forward pass, or compile one.

        Args:
            bundle: The bundle.
            network: Its network; None for one that is built when it is first needed.
            engine: As for `core.networks.inference.conversion.compile_body`.
            body: The compiled forward pass; None to compile the network's.
            tissue_model: What the pass runs in place of a network.
            age: What the pass is adjusted for.
        """
        self.bundle = bundle
        self.tissue_model, self.age = tissue_model, age
        self._network = network
        self._gradients: Gradients | None = None
        if body is None:
            from core.networks.inference.conversion import compile_body

            body = compile_body(self.network, engine=engine)
        self.body = body
        self._turn, self._building = threading.Lock(), threading.Lock()
        self._calibrations = {unit: Calibration.of_card(bundle.card, unit) for unit in ("scan", "subject")}
        self._limit: float | None = bundle.card.ood.limit if bundle.card.ood is not None else None
        self._ood_model = read_ood_model(bundle.folder) if self._limit is not None else None

    @property
    def engine(self) -> str:
        """What runs the forward passes: "openvino" or "keras"."""
        return self.body.engine

    @property
    def recipe(self) -> Recipe:
        """What the network is built from."""
        return self.bundle.recipe

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Height, width, 1 of the network's input; depth first for volumes."""
        return input_shape(self.recipe)

    @property
    def target_layer(self) -> str:
        """Name of the layer whose output is the feature map."""
        return self.body.layout.target_layer

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers at which heatmaps can be made, from the finest to the coarsest; the last is the target layer."""
        return tuple(self.body.layout.centres)

    @property
    def network(self) -> "Network":
        """The network itself, built in Keras when it is first asked for."""
        if self.recipe.morphometry is not None:
            raise StageLensError(
                f"{self.bundle.name} is a morphometric model and no network: it has no layers, gradients or exports. "
                "Its heatmap is the method contributions."
            )
        if self._network is None:
            with self._building:
                if self._network is None:
                    told.info("Loading the network library, which gradients need …")
                    from core.networks.inference.gradients import load_network

                    self._network = load_network(self.bundle)
        return self._network

    @property
    def _differentiated(self) -> "Gradients":
        """The parts of the network that Keras runs; to be used in turn."""
        if self._gradients is None:
            from core.networks.inference.gradients import Gradients

            self._gradients = Gradients(self.network)
        return self._gradients

    @property
    def linear_head(self) -> tuple[Floats, Floats] | None:
        """The weights, channels × classes, and biases of a head of pooling and one dense layer; None for another."""
        if self.recipe.head.dense or self.recipe.morphometry is not None:
            return None
        if self._network is None:
            return self._stored_head
        kernel, bias = (np.asarray(one, np.float32) for one in self._network.head.get_layer("logits").get_weights())
        return kernel, bias

    @functools.cached_property
    def _stored_head(self) -> tuple[Floats, Floats]:
        file = self.bundle.folder / WEIGHTS_FILE
        kernel, bias = (load_tensor(file, f"logits/{name}").astype(np.float32) for name in ("kernel", "bias"))
        return kernel, bias

    def for_age(self, age: float | None) -> "Predictor":
        """Return a predictor for people of an age.

        Args:
            age: In years; None for this predictor.

        Raises:
            StageLensError: The model does not ask for age, or nobody has such an age.
        """
        if age is None:
            return self
        if self.tissue_model is None or not self.recipe.asks_for_age:
            raise StageLensError(f"{self.bundle.name} does not ask for age; leave it out, or choose a model that does.")
        if not 0 < age <= OLDEST:
            raise StageLensError(f"an age is given in years, above 0 and up to {OLDEST:g}. Received: {age:g}")
        from core.networks.inference.morphometric import tissue_body

        body = tissue_body(self.tissue_model, self.recipe, age)
        return Predictor(self.bundle, body=body, tissue_model=self.tissue_model, age=age)

    def warm_up(self) -> None:
        """Run once on an empty scan, so that the first user does not wait."""
        self.features_and_logits(np.zeros((1, *self.input_shape), np.float32))

    def inputs(self, images: Sequence[Floats]) -> Floats:
        """Bring grey levels in [0, 255], H × W of any size (or D × H × W), to the network's size: N × … × 1."""
        return fit_size(self.recipe, images)

    def features_and_logits(self, inputs: Floats) -> tuple[Floats, Floats]:
        """Return feature maps, N × h × w × channels, and logits, N × classes, of scans at the network's size."""
        with self._turn:
            found = [self.body.run(batch) for batch in batches(inputs)]
        feature_maps, logits = zip(*found, strict=True)
        return np.concatenate(feature_maps), np.concatenate(logits)

    def logits_of(self, inputs: Floats) -> Floats:
        """Return logits, N × classes, of scans at the network's size."""
        with self._turn:
            return np.concatenate([self.body.run(batch)[1] for batch in batches(inputs)])

    def logits(self, images: Sequence[Floats]) -> Floats:
        """Return logits, N × classes, of N images in [0, 255] of any size, H × W, or D × H × W for 3D networks."""
        return self.logits_of(self.inputs(images))

    def see(self, inputs: Floats, ood_model: OodModel | None = None) -> Seen:
        """Run scans at the network's size, N × … × 1, and keep logits and OOD scores, batch by batch.

        Args:
            inputs: The scans; at least one.
            ood_model: The OOD model to use; None for the bundle's own, if it has one.
        """
        model, found = ood_model or self._ood_model, []
        for batch in batches(inputs):
            with self._turn:
                feature_maps, logits = self.body.run(batch)
            found.append((logits, *self._scored(feature_maps, model)))
        return Seen(*map(np.concatenate, zip(*found, strict=True)))

    def _scored(self, feature_maps: Floats, model: OodModel | None) -> tuple[Floats, Floats]:
        if model is None:
            return np.full(len(feature_maps), np.nan, np.float32), np.empty((len(feature_maps), 0), np.float32)
        return model.scores(feature_maps)

    def input_gradient(
        self, inputs: Floats, classes: NDArray[np.int64], *, kind: str = "plain"
    ) -> tuple[Floats, Floats]:
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
            return self._differentiated.of_input(inputs, classes, kind)

    def layer_gradient(self, inputs: Floats, classes: NDArray[np.int64], layer: str) -> tuple[Floats, Floats]:
        """Return a layer's activations and the gradient of each scan's chosen logit with respect to them.

        Only what follows the layer is differentiated.

        Raises:
            StageLensError: The network cannot be cut at that layer.
        """
        with self._turn:
            activations = self._differentiated.activations(inputs, layer)
            return activations, self._differentiated.of_layer(activations, classes, layer)

    def activations(self, inputs: Floats, layer: str) -> Floats:
        """Return a layer's activations, N × … × channels, for scans at the network's size.

        Raises:
            StageLensError: The network cannot be cut at that layer.
        """
        with self._turn:
            return self._differentiated.activations(inputs, layer)

    def cell_centres(self, layer: str) -> Centres:
        """Return where a layer's cells lie in the network's input; as `receptive_fields.cell_centres`.

        Raises:
            StageLensError: The network cannot be cut at that layer.
        """
        centres = self.body.layout.centres
        if layer not in centres:
            raise StageLensError(f"there is no layer {layer!r} for heatmaps; this network has {', '.join(centres)}.")
        return centres[layer]

    def dropped_kernels(self, count: int, seed: int) -> Floats:
        """Return the weights of a head without dense layers under random dropout: count × channels × classes."""
        assert self.linear_head is not None  # noqa: S101 - what the caller has looked at
        kernel, fraction = self.linear_head[0], self.recipe.head.dropout
        keeps = np.random.default_rng(seed).random((count, len(kernel), 1)) >= fraction
        return np.asarray(kernel * keeps / (1 - fraction), np.float32)

    def embeddings(self, images: Sequence[Floats]) -> Floats:
        """Return the pooled features, N × channels, of N images in [0, 255] of any size."""
        with self._turn:
            return self._differentiated.embeddings(self.inputs(images))

    def predict(self, scans: Sequence[Scan]) -> list[Prediction]:
        """Predict images as they are, in order; those that might lie upside down go through the network turned, too.

        Raises:
            StageLensError: The network reads volumes.
        """
        if not scans:
            return []
        if self.recipe.depth is not None:
            raise StageLensError(f"{self.bundle.name} reads whole volumes, not single pictures; give a volume.")
        inputs = self.inputs([scan.grey() for scan in scans])
        seen, turned = self.see(inputs), self.turned_where_in_doubt(scans, inputs)
        return [
            self.prediction_of_seen(scan.name, seen[index], turned=turned.get(index))
            for index, scan in enumerate(scans)
        ]

    def turned_where_in_doubt(
        self, scans: Sequence[Scan], inputs: Floats, ood_model: OodModel | None = None
    ) -> dict[int, float]:
        """Return the OOD scores of images turned upside down, by their index, where an image may lie that way.

        One that is closer to the training scans then is rejected. None is turned if the network cannot tell: it has no
        OOD model, or was trained on images turned upside down.

        Args:
            scans: The images.
            inputs: The same at the network's size.
            ood_model: The OOD model to use; None for the bundle's own.
        """
        if (ood_model or self._ood_model) is None or not self.knows_upright:
            return {}
        of_heads = self.recipe.slices is not None
        doubtful = [index for index, scan in enumerate(scans) if not (of_heads and is_clearly_upright(scan))]
        if not doubtful:
            return {}
        return dict(zip(doubtful, self.turned_scores(inputs[doubtful], ood_model).tolist(), strict=True))

    @property
    def ood_limit(self) -> float | None:
        """The OOD score up to which a scan is accepted; None without an OOD model."""
        return self._limit

    def ood_scores(self, inputs: Floats, ood_model: OodModel | None = None) -> Floats:
        """Return the OOD scores of images, N × height × width × 1, at the network's size; `ood_model` as for `see`."""
        return self.see(inputs, ood_model).scores

    @property
    def knows_upright(self) -> bool:
        """Whether the network can tell that an image is upside down."""
        return self.bundle.card.knows_upright

    def turned_scores(self, inputs: Floats, ood_model: OodModel | None = None) -> Floats:
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
        assert self.recipe.slices is not None  # noqa: S101 - only such a recipe's slices are cut
        seen = self.see(self.inputs([scan.grey() for scan in slices]))
        whole = self.prediction_of_seen(name, seen, logits=combined_logits(seen.logits, self.recipe.slices.combine))
        return replace(
            whole, slice_logits=seen.logits, heights_mm=tuple(heights_mm), calibration=self._calibrations["subject"]
        )

    def predict_whole(self, name: str, volume: Floats) -> Prediction:
        """Predict a volume with a 3D network.

        Args:
            name: The volume's generated name.
            volume: Grey levels in [0, 255], D × H × W, oriented as by `core.networks.subset.volume_as_seen`.
        """
        (prediction,) = self.predictions_of([name], *self.features_and_logits(self.inputs([volume])))
        return prediction

    def predictions_of(self, names: Sequence[str], feature_maps: Floats, logits: Floats) -> list[Prediction]:
        """Make the predictions of scans from their feature maps, N × … × channels, and logits, N × classes.

        Args:
            names: The scans' generated names.
            feature_maps: Of the scans.
            logits: Of the scans.
        """
        parts = batches(feature_maps)
        scored = [self._scored(part, self._ood_model) for part in parts]
        seen = Seen(logits, *map(np.concatenate, zip(*scored, strict=True)))
        found = [self.prediction_of_seen(name, seen[index]) for index, name in enumerate(names)]
        if self.tissue_model is None:
            return found
        from core.networks.inference.morphometric import brain_ages_of

        ages = brain_ages_of(self.tissue_model, feature_maps)
        return [replace(one, brain_age=age) for one, age in zip(found, ages, strict=True)]

    def prediction_of_seen(
        self, name: str, seen: Seen, *, logits: Floats | None = None, turned: float | None = None
    ) -> Prediction:
        """Make a Prediction of one scan, with calibration and OOD score.

        Args:
            name: The scan's generated name.
            seen: What was seen of it: one row, or a row a slice.
            logits: One per class; None for those of the first row.
            turned: Its OOD score upside down, if that was tried.
        """
        ood, of_scan = None, self._calibrations["scan"]
        if self._ood_model is not None and self._limit is not None:
            ood = self._ood_model.judged(seen.scores, seen.along, self.recipe.classes, self._limit, turned=turned)
        return Prediction(
            scan=name,
            model=self.bundle.name,
            classes=self.recipe.classes,
            logits=seen.logits[0] if logits is None else logits,
            calibration=of_scan,
            slice_calibration=of_scan,
            ood=ood,
            age=self.age,
            asks_for_age=self.recipe.asks_for_age,
        )
