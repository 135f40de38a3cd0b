"""The card of a bundle: what a network is, what it was trained on, and how far its metrics go. Knows no Keras."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, StringConstraints, ValidationError
from pydantic.dataclasses import dataclass

from core.errors import BundleError, RecipeError
from core.files import write_json
from core.networks.recipe import Recipe
from core.networks.recipe_files import recipe_from, recipe_values
from core.results import (
    STRICT,
    Confounders,
    Estimate,
    Metrics,
    PredictionSets,
    Scaled,
    SplitSummary,
    read,
    write,
)

FORMAT = 2
UNLEARNED = 1.0  # the temperature where validation people do not say which one is best
CARD_FILE = "card.json"
NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
Name = Annotated[str, StringConstraints(pattern=NAME)]


@dataclass(frozen=True, config=STRICT)
class BestEpoch:
    """The epoch whose weights were kept: the one with the least validation loss."""

    epoch: int
    val_accuracy: float
    val_loss: float


@dataclass(frozen=True, config=STRICT)
class PhaseSummary:
    """One phase of a training.

    Attributes:
        phase: Its number, from 1.
        trains: Which layers.
        epochs: How many there were.
        best: The one that was kept.
    """

    phase: int
    trains: str
    epochs: int
    best: BestEpoch


@dataclass(frozen=True, config=STRICT)
class FittedOn:
    """How many scans of how many validation people something was fitted on."""

    scans: int
    people: int


@dataclass(frozen=True, config=STRICT)
class UnitScaling:
    """How logits of a scan, or of a subject, become probabilities and prediction sets.

    Attributes:
        temperature: Logits are divided by it; `UNLEARNED` where validation people do not say which is best.
        bounds: Of each class, as in `core.networks.inference.prediction.Calibration`.
    """

    temperature: float
    bounds: tuple[float, ...]


@dataclass(frozen=True, config=STRICT)
class SliceSets:
    """How prediction sets of single slices fare: fraction that holds the true class, and mean number of classes."""

    coverage: Estimate
    size: float


@dataclass(frozen=True, config=STRICT)
class MeasuredCalibration:
    """What calibration came to on test people.

    Attributes:
        errors: `by_slice` and `by_subject` to `as_is` and `temperature`.
        sets_by_subject: Prediction sets of people; None where people are not known.
        sets_by_slice: Of single slices.
    """

    errors: dict[str, dict[str, Scaled]]
    sets_by_subject: PredictionSets | None
    sets_by_slice: SliceSets


@dataclass(frozen=True, config=STRICT)
class CalibrationRecord:
    """Calibration of a bundle.

    Attributes:
        method: How probabilities are scaled.
        coverage: Nominal coverage of the prediction sets.
        fitted_on: Validation people.
        scan: Of one slice, or of a volume read whole.
        subject: Of a volume read slice by slice; None for networks of single slices.
        measured: On test people; None without a test part, or where these are people of another part, too.
    """

    method: str
    coverage: float
    fitted_on: FittedOn
    scan: UnitScaling
    subject: UnitScaling | None
    measured: MeasuredCalibration | None

    def of_unit(self, unit: str) -> UnitScaling | None:
        """Return the scaling of a "scan" or a "subject"."""
        return self.scan if unit == "scan" else self.subject


@dataclass(frozen=True, config=STRICT)
class OodKind:
    """Images of a kind the network was not trained on: how many, and which fraction of them is rejected."""

    n: int
    rejected: float


@dataclass(frozen=True, config=STRICT)
class UnseenScans:
    """Scans of people the network was not trained on: of which part, how many, and the fraction rejected wrongly."""

    part: str
    scans: int
    rejected: Estimate


@dataclass(frozen=True, config=STRICT)
class OodRecord:
    """How a bundle tells scans that are out of distribution.

    Attributes:
        limit: The score from which on a scan is rejected.
        rejected_at_fitting: Fraction of validation scans that the limit was set to reject.
        axes: Of the plane that training scans lie in.
        training_scans: How many it was fitted to.
        unseen: What it rejects of scans it should accept.
        kinds: What it rejects of images that it should reject; None for networks that read volumes.
        tells_upright: Whether it can tell that a scan is upside down: no more validation scans are closer to the
            training scans when they are turned than the limit was set to reject.
    """

    limit: float
    rejected_at_fitting: float
    axes: int
    training_scans: int
    unseen: UnseenScans
    kinds: dict[str, OodKind] | None
    tells_upright: bool = True


@dataclass(frozen=True, config=STRICT)
class LeastAlike:
    """Scans that no training picture is like.

    Attributes:
        below: The greatest correlation with a training picture that they stay below.
        scans: How many.
        network: The network's accuracy on them.
        nearest: That of the nearest training picture's label.
    """

    below: float
    scans: int
    network: Estimate
    nearest: Estimate


@dataclass(frozen=True, config=STRICT)
class NearestPicture:
    """What the label of the most alike training picture reaches, which is no learning at all.

    Attributes:
        side: Rows and columns at which pictures are compared.
        by_slice: Its accuracy, every scan counted.
        by_subject: Its accuracy, every person counted once; None where people are not known.
        unlike: The scans that no training picture is like; None if there are none.
    """

    side: int
    by_slice: Estimate
    by_subject: Estimate | None
    unlike: LeastAlike | None


@dataclass(frozen=True, config=STRICT)
class PublishedProtocol:
    """The same recipe trained on a split by slice of the same data, as most publications do."""

    split: SplitSummary
    by_slice: Metrics
    by_subject: Metrics | None
    training: tuple[PhaseSummary, ...]
    date: str


def _recipe(values: Any) -> Recipe:
    try:
        return values if isinstance(values, Recipe) else recipe_from(values, "the recipe")
    except RecipeError as error:
        raise ValueError(str(error)) from error


@dataclass(frozen=True, config=STRICT)
class Card:
    """Everything that is known of a trained network.

    Attributes:
        name: Of the bundle.
        recipe: What it was trained by.
        split: Whom it was trained on.
        data_fingerprint: SHA-256 of scans and labels.
        evaluated_on: The part that `by_slice` and `by_subject` are of.
        by_slice: Every slice counted.
        by_subject: Every person counted once; None where people are not known.
        training: Its phases.
        date: When, ISO 8601.
        versions: Of the packages it was trained with.
        start: Where its first weights came from.
        device: What it was trained on.
        precision: Of the training.
        weights_dtype: Of the weights that are kept.
        probabilities_moved_by: The most that rounding the weights moved a probability.
        published_protocol: The same recipe, trained as most publications do; None where that was not done.
        nearest: What the nearest training picture reaches on the same scans; None for volumes, and in cards of before.
        calibration: None where probabilities are not calibrated.
        ood: None where it cannot tell scans that are out of distribution.
        confounders: None where nothing is known of the people.
        intended_use: In a sentence.
        limits: What it cannot do, a sentence each.
        data: What is known of scans and people, a sentence each, counted when it was trained.
        heading: One line for people, made from the settings it was trained with; "" for that of the recipe.
        digests: SHA-256 of the bundle's weights and OOD model by the files' names; none in cards of before.
        format: Of the card.
    """

    name: Name
    recipe: Annotated[Recipe, BeforeValidator(_recipe), PlainSerializer(recipe_values)]
    split: SplitSummary
    data_fingerprint: str
    by_slice: Metrics
    by_subject: Metrics | None
    training: tuple[PhaseSummary, ...]
    date: str
    versions: dict[str, str]
    intended_use: str
    limits: tuple[str, ...]
    evaluated_on: str = "test"
    start: str = "not recorded"
    device: str = "not recorded"
    precision: str = "float32"
    weights_dtype: str = "float32"
    probabilities_moved_by: float = 0.0
    published_protocol: PublishedProtocol | None = None
    nearest: NearestPicture | None = None
    calibration: CalibrationRecord | None = None
    ood: OodRecord | None = None
    confounders: Confounders | None = None
    data: tuple[str, ...] = ()
    heading: str = ""
    digests: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def title(self) -> str:
        """One line for people."""
        return self.heading or self.recipe.title

    @property
    def classes(self) -> tuple[str, ...]:
        """The possible answers."""
        return self.recipe.classes

    @property
    def knows_upright(self) -> bool:
        """Whether the network can tell a scan that is upside down: it has learned it, and that was not refuted."""
        return self.recipe.knows_upright and (self.ood is None or self.ood.tells_upright)

    @property
    def metrics(self) -> Metrics:
        """The metrics to quote: by subject where people are known."""
        return self.by_subject or self.by_slice

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, as in `card.json`."""
        values: dict[str, Any] = write(self)
        return values


def untrained_card(recipe: Recipe) -> Card:
    """Return the card of a network that was never trained and never measured, for benchmarks and tests."""
    nothing = Metrics(unit="slice", n=0, people=0, estimates={}, by_class={}, confusion=(), classes=recipe.classes)
    return Card(
        name=recipe.name,
        recipe=recipe,
        split=SplitSummary(by="none", seed=0, hash="", images={}),
        data_fingerprint="",
        by_slice=nothing,
        by_subject=None,
        training=(),
        date="never",
        versions={},
        intended_use="Measuring the software.",
        limits=("It was never trained.",),
    )


def write_card(folder: Path, card: Card) -> None:
    """Write a card; the old one or the new one is there, never a half."""
    write_json(folder / CARD_FILE, card.as_dict())


def card_from(values: Any, name: str) -> Card:
    """Return the card that plain values describe.

    Args:
        values: As in `card.json`.
        name: What it is called in errors.

    Raises:
        BundleError: They are of another format, incomplete, or contradict themselves; says where.
    """
    if not isinstance(values, dict):
        raise BundleError(f"the card of {name} is damaged: it holds no table of values.")
    if values.get("format") != FORMAT:
        raise BundleError(f"the card of {name} has format {values.get('format')!r}; this version reads {FORMAT}.")
    try:
        card = read(Card, values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "card"
        raise BundleError(f"the card of {name} does not hold together: {where}: {first['msg']}.") from error
    for metrics in (card.by_slice, card.by_subject):
        if metrics is not None and metrics.classes != card.classes:
            raise BundleError(
                f"the card of {name} lists {len(metrics.classes)} classes that are not those of its recipe."
            )
    return card
