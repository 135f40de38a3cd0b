"""A network's prediction for one scan: probabilities, the prediction set, and whether the scan is in-distribution."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.networks.card import UNLEARNED, CalibrationRecord, Card
from core.networks.ood import OodScore
from core.results import Estimate
from core.words import counted, people

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """How logits become calibrated probabilities and prediction sets with a nominal coverage.

    Attributes:
        temperature: Logits are divided by it (Guo et al., ICML 2017, section 4.2).
        bounds: One per class: the class is in the prediction set if 1 − its probability, at temperature 1, is at most
            this.
        coverage: Nominal coverage of the prediction sets: how often they should contain the true class.
        tested: For how many of a test's people, or slices, they contained it; "" where nobody counted.
        doubt: Why the probabilities are not to be called calibrated; "" if they are.
    """

    temperature: float
    bounds: tuple[float, ...]
    coverage: float
    tested: str = ""
    doubt: str = ""

    @classmethod
    def of_card(cls, card: Card, unit: str) -> "Calibration | None":
        """Return the calibration in a bundle's card for a "scan" or a "subject"; None if it has none."""
        scaling = card.calibration.of_unit(unit) if card.calibration is not None else None
        if card.calibration is None or scaling is None:
            return None
        tested, doubt = _tested(card, unit), _doubt(card.calibration, unit)
        return cls(scaling.temperature, scaling.bounds, card.calibration.coverage, tested, doubt)


def _doubt(calibration: CalibrationRecord, unit: str) -> str:
    """Say why probabilities are not calibrated: no temperature was learned, or in testing it made them less true."""
    scaling = calibration.of_unit(unit)
    if scaling is None or scaling.temperature == UNLEARNED:
        whose = counted(calibration.fitted_on.people, "validation person does", "validation people do")
        return f"{whose} not say how sure an answer may be"
    counting = "by_slice" if unit == "scan" else "by_subject"
    errors = calibration.measured.errors.get(counting) if calibration.measured is not None else None
    if errors is None or errors["temperature"].log_loss <= errors["as_is"].log_loss:
        return ""
    return "what was learned from validation people did not make them truer in testing"


def _tested(card: Card, unit: str) -> str:
    """Say for how many test people, or test slices, the set contained the true class, with the interval of all such
    people; "" where nobody counted.
    """
    measured = card.calibration.measured if card.calibration is not None else None
    if measured is None:
        return ""
    if unit == "scan" and card.recipe.depth is None:
        found, tested = measured.sets_by_slice.coverage, card.by_slice
        whose = f" of {people(tested.people)}" if card.by_subject is not None else ""
        return f"{100 * found.value:.0f} % of {counted(tested.n, 'test slice')}{whose} ({_interval(found)})"
    if measured.sets_by_subject is None or card.by_subject is None:
        return ""
    n, found = card.by_subject.n, measured.sets_by_subject.coverage
    return f"{round(n * found.value)} of {people(n)} ({_interval(found)})"


def _interval(found: Estimate) -> str:
    if not found.has_interval:
        return "no interval"
    return f"95 % interval {100 * found.low:.0f} % to {100 * found.high:.0f} %"


def softmax(values: NDArray[np.floating]) -> Floats:
    """Return the softmax along the last axis; SciPy's takes a quarter of a second to import."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def prediction_set(probabilities: Floats, bounds: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which classes are in each prediction set, N × classes; an empty set gets its most probable class.

    Args:
        probabilities: N × classes, at temperature 1.
        bounds: Upper bounds on 1 − probability, one per class.
    """
    kept = 1 - probabilities <= bounds + 1e-9
    empty = ~kept.any(axis=1)
    kept[empty, probabilities[empty].argmax(axis=1)] = True
    return np.asarray(kept)


@dataclass(frozen=True)
class BrainAge:
    """The age that a brain looks, as a measurement; the attributes but the first are those of
    `core.morphometry.model.AgeRange`.

    Attributes:
        years: In years.
        error: Its standard deviation in healthy people that were not learned from, in years.
        youngest: The least age it was learned from.
        oldest: The greatest.
        people: How many healthy people it was learned from.
    """

    years: float
    error: float
    youngest: float
    oldest: float
    people: int


@dataclass(frozen=True, eq=False)
class Prediction:
    """A network's prediction for one scan.

    Attributes:
        scan: The scan's generated name.
        model: The bundle's name.
        classes: The classes of the task.
        logits: float32, one per class.
        slice_logits: float32, slices × classes, for a volume read slice by slice; None for an image.
        heights_mm: Height of each slice in standard space, for a volume.
        calibration: Calibration of the logits; None if the bundle has none.
        slice_calibration: Calibration of the slices' logits.
        ood: Whether the scan is in-distribution; None if the bundle has no OOD model.
        age: What the answer is adjusted for, in years; None if unknown, or not asked for.
        asks_for_age: Whether the model would adjust its answer for age.
        brain_age: The age that the brain looks, of a morphometric model that has learned it.
    """

    scan: str
    model: str
    classes: tuple[str, ...]
    logits: NDArray[np.float32]
    slice_logits: NDArray[np.float32] | None = None
    heights_mm: tuple[float, ...] = ()
    calibration: Calibration | None = None
    slice_calibration: Calibration | None = None
    ood: OodScore | None = None
    age: float | None = None
    asks_for_age: bool = False
    brain_age: BrainAge | None = None

    @property
    def probabilities(self) -> dict[str, float]:
        """Probability of each class; calibrated if the bundle has a calibration."""
        return dict(zip(self.classes, _probabilities(self.logits[None], self.calibration)[0].tolist(), strict=True))

    @property
    def raw_outputs(self) -> dict[str, float]:
        """The network's outputs as they are, adding up to 1: no probabilities of anything for a rejected scan."""
        return dict(zip(self.classes, _probabilities(self.logits[None], None)[0].tolist(), strict=True))

    @property
    def slice_probabilities(self) -> Floats:
        """Probabilities of each slice, slices × classes; one row for an image."""
        if self.slice_logits is None:
            return _probabilities(self.logits[None], self.calibration)
        return _probabilities(self.slice_logits, self.slice_calibration)

    @property
    def answer(self) -> str:
        """The class with the highest probability."""
        return self.classes[int(self.logits.argmax())]

    @property
    def possible(self) -> tuple[str, ...] | None:
        """The prediction set at the calibration's nominal coverage; None without a calibration."""
        if self.calibration is None:
            return None
        (kept,) = prediction_set(_probabilities(self.logits[None], None), np.array(self.calibration.bounds))
        return tuple(name for name, one in zip(self.classes, kept, strict=True) if one)

    @property
    def rejected(self) -> bool:
        """Whether the scan is out-of-distribution, so that its prediction would be meaningless."""
        return self.ood is not None and self.ood.rejected

    def as_dict(self, *, force: bool = False) -> dict[str, Any]:
        """Return plain values for JSON: `answer`, `probabilities`, and how reliable they are.

        A rejected scan has no answer, no probabilities and no prediction set, as nothing of these was ever measured on
        such scans; nor is it said which training scans it is nearest to.

        Args:
            force: Return the network's `raw_outputs` for a rejected scan; otherwise, and for others, they are null.
        """
        given = not self.rejected
        ood = None if self.ood is None else self.ood.as_dict()
        if ood is not None and self.rejected:
            del ood["similar"]
        sets = None
        if self.calibration is not None and given:
            sets = {
                "coverage": self.calibration.coverage,
                "classes": list(self.possible or ()),
                "tested": self.calibration.tested,
            }
        return {
            "model": self.model,
            "rejected": self.rejected,
            "ood": ood,
            "answer": self.answer if given else None,
            "probabilities": self.probabilities if given else None,
            "calibrated": self.calibration is not None and not self.calibration.doubt and given,
            "calibration_doubt": self.calibration.doubt if self.calibration is not None and given else "",
            "prediction_set": sets,
            "raw_outputs": self.raw_outputs if force and self.rejected else None,
            **({"age": self.age} if self.asks_for_age else {}),
            **({"brain_age": asdict(self.brain_age)} if self.brain_age is not None and given else {}),
        }


def _probabilities(logits: NDArray[np.float32], calibration: Calibration | None) -> Floats:
    temperature = 1.0 if calibration is None else calibration.temperature
    return softmax(logits.astype(np.float64) / temperature)
