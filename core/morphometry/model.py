"""A linear score of tissue maps: which stage, how old the brain looks, and what every place contributes to it, exactly.

Linear machines on voxel-based maps are what no convolutional network outperformed in Wen et al. (Medical Image Analysis
2020). The maps' change with age in healthy people is taken out (Dukart et al., PLoS ONE 2011), and the gap between the
age that the brain looks and the age that it has (Franke et al., NeuroImage 2010) is a second score; without a known
age, the age that it looks. All of it is linear in the maps: the score is the sum of what the places contribute.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

LEAST_LOGIT = -16.0  # of a class that might be answered
NEVER = -30.0  # of one that is not: no temperature brings it back
TENSORS = ("mask", "healthy", "healthy_per_year", "mean_age", "told")


@dataclass(frozen=True, eq=False)
class Line:
    """A score that is linear in the maps, and in age.

    Attributes:
        weights: float64, p, of the values of the maps.
        per_year: Its change with each year of age; 0 where age is not asked for.
        offset: Its value where all else is 0.
    """

    weights: Doubles
    per_year: float
    offset: float

    def __call__(self, maps: Floats, ages: Doubles | None = None) -> Doubles:
        """Return the scores of N × p maps and N ages."""
        found = maps.astype(np.float64) @ self.weights + self.offset
        return found if ages is None or not self.per_year else found + self.per_year * ages

    def standardised(self, scores: Doubles) -> "Line":
        """Return the line whose scores of these people have mean 0 and standard deviation 1."""
        middle, spread = float(scores.mean()), float(scores.std()) or 1.0
        return Line(self.weights / spread, self.per_year / spread, (self.offset - middle) / spread)

    def mean_with(self, other: "Line") -> "Line":
        """Return the mean of two lines."""
        return Line(
            (self.weights + other.weights) / 2, (self.per_year + other.per_year) / 2, (self.offset + other.offset) / 2
        )


@dataclass(frozen=True, eq=False)
class Stages:
    """From a score to classes in their order: proportional odds (McCullagh, J R Stat Soc B 1980).

    Attributes:
        told: Which classes are answered, as increasing indices; those of too few people are not.
        slope: Of the log odds with the score; above 0.
        bounds: Where the odds of being beyond each class but the last are even, increasing.
    """

    told: tuple[int, ...]
    slope: float
    bounds: tuple[float, ...]

    def logits(self, scores: Doubles, n_classes: int) -> Floats:
        """Return log probabilities, N × classes; of classes that are not answered, almost none."""
        beyond = _sigmoid(self.slope * (scores[:, None] - np.array(self.bounds)))
        ends = np.concatenate([np.ones((len(scores), 1)), beyond, np.zeros((len(scores), 1))], axis=1)
        chances = np.maximum(ends[:, :-1] - ends[:, 1:], np.exp(LEAST_LOGIT))
        logits = np.full((len(scores), n_classes), NEVER, np.float32)
        logits[:, list(self.told)] = np.log(chances)
        return logits


@dataclass(frozen=True, eq=False)
class Version:
    """A score and what follows from it.

    Attributes:
        line: The score.
        stages: The classes.
    """

    line: Line
    stages: Stages


@dataclass(frozen=True, eq=False)
class TissueModel:
    """A morphometric model.

    Attributes:
        mask: bool, 2 × d × h × w: which values of the maps are used, p in all.
        without_age: For people whose age is not known.
        with_age: For others; None where age was not asked for.
        brain_age: The age in years that a brain looks; None where ages were not known.
        healthy: float64, p, the mean maps of healthy people.
        healthy_per_year: float64, p, their change with each year of age.
        mean_age: The mean age in years of these people; NaN where ages were not known.
    """

    mask: NDArray[np.bool_]
    without_age: Version
    with_age: Version | None
    brain_age: Line | None
    healthy: Doubles
    healthy_per_year: Doubles
    mean_age: float

    def values(self, maps: Floats) -> Floats:
        """Return the values that are used, N × p, of maps N × 2 × d × h × w."""
        return np.ascontiguousarray(maps[:, self.mask], np.float32)

    def logits(self, maps: Floats, n_classes: int, ages: Doubles | None = None) -> Floats:
        """Return log probabilities, N × classes.

        Args:
            maps: float32, N × 2 × d × h × w, as by `core.morphometry.maps.maps_of`.
            n_classes: How many classes there are.
            ages: float64, N, in years; NaN where unknown. None for nobody's.
        """
        values = self.values(maps)
        logits = self.without_age.stages.logits(self.without_age.line(values), n_classes)
        if self.with_age is not None and ages is not None and np.isfinite(ages).any():
            known = np.isfinite(ages)
            scores = self.with_age.line(values[known], ages[known])
            logits[known] = self.with_age.stages.logits(scores, n_classes)
        return logits

    def contributions(self, maps: Floats, age: float | None = None) -> tuple[Floats, float, float]:
        """Divide a person's score among the places of the brain.

        Args:
            maps: float32, 2 × d × h × w, of one person.
            age: In years; None if unknown, or for a model without age.

        Returns:
            float32, 2 × d × h × w: what each place adds to the score in comparison with healthy people (of that age),
            fluid and grey matter apart; their score; and the person's, which is theirs plus the sum.
        """
        values = self.values(maps[None])
        version, expected, ages = self.without_age, self.healthy, None
        if self.with_age is not None and age is not None:
            version, ages = self.with_age, np.array([age])
            expected = self.healthy + self.healthy_per_year * (age - self.mean_age)
        each = version.line.weights * (values[0] - expected)
        found = np.zeros(self.mask.shape, np.float64)
        found[self.mask] = each
        own = float(version.line(values, ages)[0])
        return found.astype(np.float32), own - float(each.sum()), own

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """Return everything as arrays that can be stored."""
        found: dict[str, NDArray[np.generic]] = {
            "mask": self.mask.astype(np.uint8),
            "healthy": self.healthy.astype(np.float32),
            "healthy_per_year": self.healthy_per_year.astype(np.float32),
            "mean_age": np.array([self.mean_age], np.float32),
        }
        for name, version in (("without_age", self.without_age), ("with_age", self.with_age)):
            if version is not None:
                found |= _line_tensors(name, version.line)
                found[f"{name}/told"] = np.array(version.stages.told, np.int32)
                found[f"{name}/stages"] = np.array([version.stages.slope, *version.stages.bounds], np.float32)
        if self.brain_age is not None:
            found |= _line_tensors("brain_age", self.brain_age)
        return found

    @classmethod
    def of_tensors(cls, tensors: dict[str, NDArray[np.generic]]) -> "TissueModel":
        """Return the model that left these arrays.

        Raises:
            KeyError: One is missing.
            ValueError: They do not fit together.
        """
        mask = np.asarray(tensors["mask"], bool)
        size = int(mask.sum())
        model = cls(
            mask=mask,
            without_age=_version(tensors, "without_age"),
            with_age=_version(tensors, "with_age") if "with_age/weights" in tensors else None,
            brain_age=_line(tensors, "brain_age") if "brain_age/weights" in tensors else None,
            healthy=np.asarray(tensors["healthy"], np.float64),
            healthy_per_year=np.asarray(tensors["healthy_per_year"], np.float64),
            mean_age=float(np.asarray(tensors["mean_age"], np.float64)[0]),
        )
        lines = [one.line for one in (model.without_age, model.with_age) if one is not None]
        lengths = {len(line.weights) for line in lines} | {len(model.healthy), len(model.healthy_per_year)}
        if mask.ndim != 4 or lengths != {size}:
            raise ValueError("the arrays of a morphometric model do not fit together")
        return model


def _line_tensors(name: str, line: Line) -> dict[str, NDArray[np.generic]]:
    return {
        f"{name}/weights": line.weights.astype(np.float32),
        f"{name}/line": np.array([line.per_year, line.offset], np.float64).astype(np.float32),
    }


def _line(tensors: dict[str, NDArray[np.generic]], name: str) -> Line:
    per_year, offset = np.asarray(tensors[f"{name}/line"], np.float64).tolist()
    return Line(np.asarray(tensors[f"{name}/weights"], np.float64), per_year, offset)


def _version(tensors: dict[str, NDArray[np.generic]], name: str) -> Version:
    slope, *bounds = np.asarray(tensors[f"{name}/stages"], np.float64).tolist()
    told = tuple(int(one) for one in np.asarray(tensors[f"{name}/told"]))
    if len(bounds) != len(told) - 1:
        raise ValueError("the arrays of a morphometric model do not fit together")
    return Version(_line(tensors, name), Stages(told, slope, tuple(bounds)))


def _sigmoid(x: Doubles) -> Doubles:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)), np.float64)
