"""The Recipe: everything a training run depends on, as one frozen, validated value."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from core.cohorts.tasks import CUSTOM, TASKS, Task

PIXELS = "pixels"
TISSUE = "tissue"
MOST_TILT = 45.0  # degrees; a network trained on images rotated further cannot tell which way up they are
STRICT = ConfigDict(extra="forbid")

OversamplingMethod = Literal["smote", "borderline_smote", "svm_smote", "adasyn", "repetition"]
Aggregation = Literal["mean_logit", "median_logit", "mean_probability"]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Side = Annotated[int, Field(ge=32, le=1024)]


@dataclass(frozen=True, config=STRICT)
class Augmentation:
    """Random changes of the training scans, made inside the network while it trains.

    Attributes:
        rotation_degrees: Largest rotation to either side.
        shift: Largest shift, as a fraction of height and width.
        zoom: Largest change of scale, as a fraction; height and width change independently.
        shear_degrees: Largest shear to either side.
        flip_horizontal: Whether left and right are swapped at random.
        flip_vertical: Whether top and bottom are swapped at random.
        fill: What fills uncovered borders.
    """

    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    shift: Fraction = 0.0
    zoom: Fraction = 0.0
    shear_degrees: Annotated[float, Field(ge=0, le=60)] = 0.0
    flip_horizontal: bool = False
    flip_vertical: bool = False
    fill: Literal["nearest", "constant", "reflect", "wrap"] = "nearest"

    @property
    def changes(self) -> bool:
        """Whether anything is changed at all."""
        amounts = (self.rotation_degrees, self.shift, self.zoom, self.shear_degrees)
        return any(amounts) or self.flip_horizontal or self.flip_vertical


@dataclass(frozen=True, config=STRICT)
class Head:
    """What follows the backbone's pooled features: dense ReLU layers, each followed by dropout, and the logits.

    Attributes:
        dense: Widths of the dense layers; if empty, dropout and logits follow the pooling.
        dropout: Fraction of features dropped during training.
    """

    dense: Annotated[tuple[Annotated[int, Field(ge=1, le=8192)], ...], Field(max_length=4)] = ()
    dropout: Fraction = 0.5


@dataclass(frozen=True, config=STRICT)
class Imbalance:
    """How class imbalance is handled.

    Attributes:
        class_weights: Whether scans of rare classes count more (scikit-learn's "balanced").
        sampling: "weighted" draws every class equally often, with replacement; "shuffled" every scan once per epoch.
        loss: "cross_entropy", or "focal" (Lin et al., ICCV 2017, equation 4).
        focal_gamma: The focusing parameter of the focal loss.
    """

    class_weights: bool = False
    sampling: Literal["shuffled", "weighted"] = "shuffled"
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: Annotated[float, Field(ge=0, le=10)] = 2.0


@dataclass(frozen=True, config=STRICT)
class Oversampling:
    """Synthetic embeddings for rare classes, by imbalanced-learn.

    Attributes:
        method: SMOTE (Chawla et al., JAIR 2002), one of its variants, or plain repetition.
        target: Number of embeddings each class is brought up to; None for that of the largest class. No class shrinks.
        neighbours: Number of neighbours for interpolation; fewer if a class is smaller.
    """

    method: OversamplingMethod = "smote"
    target: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    neighbours: Annotated[int, Field(ge=1, le=100)] = 5


@dataclass(frozen=True, config=STRICT)
class Phase:
    """One phase of training.

    Attributes:
        trains: "head" (the backbone is frozen), "last_block" of the backbone and the head, everything "from_layer" on,
            or "all".
        learning_rate: Learning rate at the start of the phase.
        epochs: Maximum number of epochs.
        patience: The phase stops after so many epochs without a better validation loss.
        from_layer: The first layer of the backbone that trains, for "from_layer".
        batch_norm: Whether BatchNorm layers that are not frozen are trained ("train") or not ("freeze").
        schedule: "constant"; "cosine" decays to zero over the epochs; "plateau" divides the rate by five after two
            epochs without a better validation loss.
        optimizer: Name of Keras' optimizer.
        views: For "head": how many augmented views of each scan are embedded once and used in turn. 0 embeds the
            unchanged scans if the recipe has no augmentation, and trains through the frozen backbone if it has.
        oversampling: Synthetic embeddings, for a "head" phase on embeddings.
        fresh_head: Whether the head is reinitialised.
        augmentation: Replaces the recipe's in a phase that trains more than the head, for example in a cool-down.
    """

    trains: Literal["head", "last_block", "from_layer", "all"]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    epochs: Annotated[int, Field(ge=1, le=1000)]
    patience: Annotated[int, Field(ge=1, le=1000)]
    from_layer: str | None = None
    batch_norm: Literal["train", "freeze"] = "train"
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    views: Annotated[int, Field(ge=0, le=100)] = 0
    oversampling: Oversampling | None = None
    fresh_head: bool = False
    augmentation: Augmentation | None = None

    def __post_init__(self) -> None:
        if (self.from_layer is not None) != (self.trains == "from_layer"):
            raise ValueError('from_layer and trains = "from_layer" go together')
        if self.trains != "head" and (self.views or self.oversampling is not None):
            raise ValueError('views and oversampling need trains = "head"')
        if self.trains == "head" and self.augmentation is not None:
            raise ValueError("a head phase uses the recipe's augmentation")


@dataclass(frozen=True, config=STRICT)
class Classic:
    """A scikit-learn classifier in place of the trained head: a baseline.

    Attributes:
        kind: Logistic regression, a support vector machine, or k nearest neighbours.
        strength: C, the inverse regularisation strength, for the first two.
        kernel: Kernel of the support vector machine.
        neighbours: k of the nearest neighbours.
        components: Number of principal components to which features are reduced first; None for all features.
    """

    kind: Literal["logistic_regression", "svm", "nearest_neighbours"]
    strength: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    kernel: Literal["linear", "rbf"] = "linear"
    neighbours: Annotated[int, Field(ge=1, le=1000)] = 1
    components: Annotated[int, Field(ge=1, le=10_000)] | None = None


@dataclass(frozen=True, config=STRICT)
class Morphometry:
    """A linear model of tissue maps in place of a network; for volumes of slices 1 mm apart.

    Attributes:
        kind: "tissue_maps" weighs fluid and grey matter of every place; "fluid_fraction" is one number, the share of
            the head that is fluid.
    """

    kind: Literal["tissue_maps", "fluid_fraction"]


@dataclass(frozen=True, config=STRICT)
class Covariates:
    """What is asked of a person beside the scan.

    Attributes:
        age: In years, where it is known; an answer without it is given without adjustment, and says so.
    """

    age: bool = False


@dataclass(frozen=True, config=STRICT)
class Slices:
    """Which slices of a volume the network reads, and how their predictions are aggregated.

    Attributes:
        lowest_mm: Height of the lowest axial slice in standard space, in Talairach mm above the AC–PC line.
        highest_mm: Height of the highest slice; there is one slice per millimetre.
        combine: How the slices' logits are aggregated to those of the subject.
    """

    lowest_mm: Annotated[float, Field(ge=-70, le=100)]
    highest_mm: Annotated[float, Field(ge=-70, le=100)]
    combine: Aggregation = "mean_logit"

    def __post_init__(self) -> None:
        if self.lowest_mm > self.highest_mm:
            raise ValueError("lowest_mm lies above highest_mm")


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """Everything a training run depends on except the data.

    Attributes:
        name: Short name; also the bundle's.
        title: One line for people.
        task: One of the tasks of `core.cohorts`, or "custom" for classes of one's own.
        backbone: One of `core.networks.architectures.backbones`, "pixels" for a classic classifier on the scans
            themselves, or "tissue" for a morphometric model.
        height: Rows of the backbone's input, in pixels.
        width: Columns of the backbone's input; scans are scaled to it with their aspect ratio kept.
        depth: Slices of a 3D backbone's input; None for 2D.
        output_stride: Pixels of the input per cell of the feature map, and so of a heatmap: 16 for a last stage that is
            dilated instead of strided (Chen et al., DeepLab, TPAMI 2018, section 3.1); None as the architecture has it.
        phases: The phases, in order; empty for a classic classifier.
        start: "imagenet" (downloaded by Keras), "scratch", or "file" (given with the run).
        head: The layers after the backbone.
        augmentation: Random changes during training.
        imbalance: How class imbalance is handled during training.
        slices: Which slices of a volume are read; None for a network that reads only single pictures, or whole volumes.
        classic: A scikit-learn classifier in place of phases.
        morphometry: A morphometric model in place of phases.
        covariates: What is asked of a person beside the scan; None for nothing.
        batch_size: Scans per step.
        precision: Arithmetic during training; predictions are always float32. "auto" uses bfloat16 if the hardware
            supports it.
        seed: Seed for the start weights, the order of the scans and the augmentation.
        own_task: Classes of one's own: classes, ordered, positive, title, synonyms; None for a known task.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    title: str
    task: str
    backbone: str
    height: Side
    width: Side
    phases: Annotated[tuple[Phase, ...], Field(max_length=9)] = ()
    depth: Side | None = None
    output_stride: Literal[16] | None = None
    start: Literal["imagenet", "scratch", "file"] = "imagenet"
    head: Head = field(default_factory=Head)
    augmentation: Augmentation = field(default_factory=Augmentation)
    imbalance: Imbalance = field(default_factory=Imbalance)
    slices: Slices | None = None
    classic: Classic | None = None
    morphometry: Morphometry | None = None
    covariates: Covariates | None = None
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16", "auto"] = "float32"
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    own_task: Task | None = None

    def __post_init__(self) -> None:
        if [bool(self.phases), self.classic is not None, self.morphometry is not None].count(True) != 1:
            raise ValueError("a recipe has either phases, or a classic classifier, or morphometry")
        if (self.backbone == TISSUE) != (self.morphometry is not None):
            raise ValueError('the backbone "tissue" and morphometry go together')
        if self.morphometry is not None:
            self._check_slab()
        elif self.covariates is not None:
            raise ValueError("covariates are asked for by morphometry only")
        if self.backbone == PIXELS and self.classic is None:
            raise ValueError('the backbone "pixels" is for classic classifiers')
        for phase in self.phases:
            if phase.oversampling is not None and not self.on_embeddings(phase):
                raise ValueError("oversampling needs embeddings: no augmentation, or views")
        if (self.task == CUSTOM) != (self.own_task is not None):
            raise ValueError('task = "custom" and own_task, with its classes, go together')
        if self.own_task is not None and len(self.own_task.classes) < 2:
            raise ValueError("own_task has one class; a network needs two or more to tell apart")

    def _check_slab(self) -> None:
        if self.slices is None or self.depth != round(self.slices.highest_mm - self.slices.lowest_mm) + 1:
            raise ValueError("morphometry needs slices 1 mm apart: depth = highest_mm - lowest_mm + 1")
        if any((side or 0) % 4 for side in (self.depth, self.height, self.width)):
            raise ValueError("morphometry needs a depth, height and width that 4 divides")

    @property
    def has_network(self) -> bool:
        """Whether there is a backbone, and not a model of the scans themselves."""
        return self.backbone not in {PIXELS, TISSUE}

    @property
    def asks_for_age(self) -> bool:
        """Whether an answer is adjusted for age where that is known."""
        return self.covariates is not None and self.covariates.age

    @property
    def heatmap(self) -> str:
        """Name of the method that explains it first."""
        return "grad-cam" if self.morphometry is None else "contributions"

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the network's outputs."""
        return self.as_task().classes

    def as_task(self) -> Task:
        """Return the task the recipe names."""
        return self.own_task if self.own_task is not None else TASKS[self.task]

    @property
    def aggregation(self) -> Aggregation:
        """How the logits of a subject's slices become those of the subject."""
        return self.slices.combine if self.slices is not None else "mean_logit"

    @property
    def knows_upright(self) -> bool:
        """Whether the network is trained on upright images only, so that it can tell one that is upside down."""
        seen = [self.augmentation, *(phase.augmentation for phase in self.phases if phase.augmentation is not None)]
        return self.depth is None and not any(one.flip_vertical or one.rotation_degrees > MOST_TILT for one in seen)

    def augmentation_of(self, phase: Phase) -> Augmentation:
        """Return the augmentation of a phase."""
        return self.augmentation if phase.augmentation is None else phase.augmentation

    def on_embeddings(self, phase: Phase) -> bool:
        """Tell whether a phase trains on stored embeddings instead of through the frozen backbone."""
        return phase.trains == "head" and (phase.views > 0 or not self.augmentation.changes)
