"""Does 80 % mean 80 %? Reliability, its error with an interval over people, and scalings that mend it.

Temperature and vector scaling: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2. Expected
calibration error: Naeini et al., AAAI 2015, equal bins of the highest probability. It is never 0 on a finite set, not
even for perfect probabilities, and the larger the fewer there are: compare it with its own interval, not with 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

from core.evaluation.bootstrap import draw_people, estimate, fraction_over_people
from core.networks.card import UNLEARNED
from core.results import Bin, Estimate

BINS = 10
COOLEST, HOTTEST = 0.05, 20.0  # temperatures that are tried
FLAT = 1e-4  # log loss; a minimum must lie this far below both ends
PULL = 1e-3  # towards no change, of vector scaling; a class without people would run away

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scaling:
    """Turns logits into calibrated ones: factor · logit + offset.

    Attributes:
        factor: Of each class; all alike for a temperature.
        offset: Of each class; 0 for a temperature.
    """

    factor: Floats
    offset: Floats

    @property
    def temperature(self) -> float | None:
        """The temperature; None for a vector scaling."""
        alike = np.ptp(self.factor) == 0 and not self.offset.any()
        return float(1 / self.factor[0]) if alike else None

    def __call__(self, logits: NDArray[np.floating]) -> Floats:
        """Scale logits, N × classes."""
        return np.asarray(logits * self.factor + self.offset, np.float64)


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.int64], people: NDArray[np.int64]) -> Scaling:
    """Find the temperature with the least log loss; everybody counts alike, however many slices they have.

    Where everybody is answered rightly, the log loss falls for ever as the temperature does (and where answers are no
    better than chance, as it rises): then nothing was learned, and the temperature is `UNLEARNED`.

    Args:
        logits: N × classes, of people the network was not trained on.
        labels: N class indices.
        people: N numbers from 0.
    """
    weights = _alike(people)

    def loss(exponent: float) -> float:
        return _log_loss(logits * np.exp(-exponent), labels, weights)

    found = minimize_scalar(loss, bounds=(np.log(COOLEST), np.log(HOTTEST)), method="bounded", options={"xatol": 1e-6})
    ends = loss(np.log(COOLEST)), loss(np.log(HOTTEST))
    temperature = np.exp(found.x) if found.fun < min(ends) - FLAT else UNLEARNED
    n_classes = logits.shape[1]
    return Scaling(np.full(n_classes, 1 / temperature), np.zeros(n_classes))


def fit_vector_scaling(logits: NDArray[np.floating], labels: NDArray[np.int64], people: NDArray[np.int64]) -> Scaling:
    """Find a factor and an offset of each class with the least log loss; arguments as for `fit_temperature`."""
    weights, n_classes = _alike(people), logits.shape[1]
    start = np.concatenate([np.ones(n_classes), np.zeros(n_classes)])
    truth = np.eye(n_classes)[labels]

    def loss(both: Floats) -> tuple[float, Floats]:
        scaled = logits * both[:n_classes] + both[n_classes:]
        apart = (softmax(scaled, axis=1) - truth) * weights[:, None]
        slope = np.concatenate([(apart * logits).sum(axis=0), apart.sum(axis=0)])
        moved = both - start
        return _log_loss(scaled, labels, weights) + PULL * float(moved @ moved), slope + 2 * PULL * moved

    found = minimize(loss, start, jac=True, method="L-BFGS-B")
    return Scaling(found.x[:n_classes], found.x[n_classes:])


def calibration_error(
    probabilities: Floats, labels: NDArray[np.int64], people: NDArray[np.int64], *, bins: int = BINS
) -> tuple[Estimate, list[Bin]]:
    """Return the expected calibration error, and the bins of the reliability diagram that are not empty.

    Args:
        probabilities: N × classes.
        labels: N class indices.
        people: N numbers from 0.
        bins: How many, of equal width.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    n_people = int(people.max()) + 1
    sums = np.zeros((n_people, bins, 3))
    np.add.at(sums, (people, index), np.stack([np.ones(len(labels)), confidence, right], axis=1))
    draws = draw_people(n_people)
    drawn = np.tensordot(draws.astype(np.float64), sums, axes=1)
    everybody = sums.sum(axis=0)
    found = estimate(float(_error(everybody[None])[0]), _error(drawn), people=n_people)
    reliable = []
    for number, (n, confident, _) in enumerate(everybody):
        if n:
            own = index == number
            reliable.append(Bin(number / bins, confident / n, fraction_over_people(right[own], people[own]), int(n)))
    return found, reliable


def _error(sums: Floats) -> Floats:
    """Return the error of each of R × bins × (count, confidence, hits)."""
    return np.asarray(np.abs(sums[..., 1] - sums[..., 2]).sum(axis=1) / sums[..., 0].sum(axis=1))


def _alike(people: NDArray[np.int64]) -> Floats:
    """Return weights that sum to 1 and are the same for everybody together."""
    counts = np.bincount(people)
    return np.asarray(1 / counts[people] / len(counts), np.float64)


def _log_loss(logits: Floats, labels: NDArray[np.int64], weights: Floats) -> float:
    return float(-(log_softmax(logits, axis=1)[np.arange(len(labels)), labels] * weights).sum())
