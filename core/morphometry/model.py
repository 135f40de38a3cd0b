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
UNFIT = "the arrays of a morphometric model do not fit together"


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


@dataclass(frozen=True)
class AgeRange:
    """How far the age that a brain looks can be believed.

    Attributes:
        error: Standard deviation in years of the difference to the true age, of healthy people it has not seen.
        youngest: The least age in years that it was learned from.
        oldest: The greatest.
        people: How many healthy people it was learned from.
    """

    error: float
    youngest: float
    oldest: float
    people: int


@dataclass(frozen=True, eq=False)
class Scores:
    """The linear part of a model.

    Attributes:
        mask: bool, 2 × d × h × w: which values of the maps are used, p in all.
        without_age: The score of people whose age is not known.
        with_age: That of others; None where age was not asked for.
        brain_age: The age in years that a brain looks; None where ages were not known.
        healthy: float64, p, the mean maps of healthy people.
        healthy_per_year: float64, p, their change with each year of age.
        mean_age: The mean age in years of these people; NaN where ages were not known.
        of_age: What is known of the brain age; None where ages were not known, or that was not measured.
    """

    mask: NDArray[np.bool_]
    without_age: Line
    with_age: Line | None
    brain_age: Line | None
    healthy: Doubles
    healthy_per_year: Doubles
    mean_age: float
    of_age: AgeRange | None = None

    def values(self, maps: Floats) -> Floats:
        """Return the values that are used, N × p, of maps N × 2 × d × h × w."""
        return np.ascontiguousarray(maps[:, self.mask], np.float32)


@dataclass(frozen=True, eq=False)
class TissueModel:
    """A morphometric model.

    Attributes:
        scores: How ill people are.
        without_age: From the score without age to classes.
        with_age: From that with age; None where age was not asked for.
    """

    scores: Scores
    without_age: Stages
    with_age: Stages | None

    def logits(self, maps: Floats, n_classes: int, ages: Doubles | None = None) -> Floats:
        """Return log probabilities, N × classes.

        Args:
            maps: float32, N × 2 × d × h × w, as by `core.morphometry.maps.maps_of`.
            n_classes: How many classes there are.
            ages: float64, N, in years; NaN where unknown. None for nobody's.
        """
        values = self.scores.values(maps)
        logits = self.without_age.logits(self.scores.without_age(values), n_classes)
        if self.with_age is not None and self.scores.with_age is not None and ages is not None:
            known = np.isfinite(ages)
            logits[known] = self.with_age.logits(self.scores.with_age(values[known], ages[known]), n_classes)
        return logits

    def brain_ages(self, maps: Floats) -> Doubles | None:
        """Return the ages in years that brains look, N, of maps N × 2 × d × h × w; None where ages were not known."""
        line = self.scores.brain_age
        return None if line is None else line(self.scores.values(maps))

    def contributions(self, maps: Floats, age: float | None = None) -> tuple[Floats, float, float]:
        """Divide a person's score among the places of the brain.

        Args:
            maps: float32, 2 × d × h × w, of one person.
            age: In years; None if unknown, or for a model without age.

        Returns:
            float32, 2 × d × h × w: what each place adds to the score in comparison with healthy people (of that age),
            fluid and grey matter apart; their score; and the person's, which is theirs plus the sum.
        """
        values = self.scores.values(maps[None])
        line, expected, ages = self.scores.without_age, self.scores.healthy, None
        if self.scores.with_age is not None and age is not None:
            line, ages = self.scores.with_age, np.array([age])
            expected = expected + self.scores.healthy_per_year * (age - self.scores.mean_age)
        each = line.weights * (values[0] - expected)
        found = np.zeros(self.scores.mask.shape, np.float64)
        found[self.scores.mask] = each
        own = float(line(values, ages)[0])
        return found.astype(np.float32), own - float(each.sum()), own

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """Return everything as arrays that can be stored."""
        scores = self.scores
        found: dict[str, NDArray[np.generic]] = {
            "mask": scores.mask.astype(np.uint8),
            "healthy": scores.healthy.astype(np.float32),
            "healthy_per_year": scores.healthy_per_year.astype(np.float32),
            "mean_age": np.array([scores.mean_age], np.float32),
        }
        lines = {"without_age": scores.without_age, "with_age": scores.with_age, "brain_age": scores.brain_age}
        for name, line in lines.items():
            if line is not None:
                found[f"{name}/weights"] = line.weights.astype(np.float32)
                found[f"{name}/line"] = np.array([line.per_year, line.offset], np.float32)
        if scores.of_age is not None:
            known = scores.of_age
            found["brain_age/known"] = np.array([known.error, known.youngest, known.oldest, known.people], np.float32)
        for name, stages in (("without_age", self.without_age), ("with_age", self.with_age)):
            if stages is not None:
                found[f"{name}/told"] = np.array(stages.told, np.int32)
                found[f"{name}/stages"] = np.array([stages.slope, *stages.bounds], np.float32)
        return found

    @classmethod
    def of_tensors(cls, tensors: dict[str, NDArray[np.generic]]) -> "TissueModel":
        """Return the model that left these arrays.

        Raises:
            KeyError: One is missing.
            ValueError: They do not fit together.
        """
        without_age, with_age, brain_age = (
            _line(tensors, name) if f"{name}/weights" in tensors else None
            for name in ("without_age", "with_age", "brain_age")
        )
        if without_age is None:
            raise KeyError("without_age/weights")
        scores = Scores(
            mask=np.asarray(tensors["mask"], bool),
            without_age=without_age,
            with_age=with_age,
            brain_age=brain_age,
            healthy=np.asarray(tensors["healthy"], np.float64),
            healthy_per_year=np.asarray(tensors["healthy_per_year"], np.float64),
            mean_age=float(np.asarray(tensors["mean_age"], np.float64)[0]),
            of_age=_of_age(tensors) if "brain_age/known" in tensors else None,
        )
        lengths = {len(line.weights) for line in (without_age, with_age, brain_age) if line is not None}
        lengths |= {len(scores.healthy), len(scores.healthy_per_year)}
        if scores.mask.ndim != 4 or lengths != {int(scores.mask.sum())}:
            raise ValueError(UNFIT)
        return cls(scores, _stages(tensors, "without_age"), _stages(tensors, "with_age") if with_age else None)


def _line(tensors: dict[str, NDArray[np.generic]], name: str) -> Line:
    per_year, offset = np.asarray(tensors[f"{name}/line"], np.float64).tolist()
    return Line(np.asarray(tensors[f"{name}/weights"], np.float64), per_year, offset)


def _of_age(tensors: dict[str, NDArray[np.generic]]) -> AgeRange:
    error, youngest, oldest, people = np.asarray(tensors["brain_age/known"], np.float64).tolist()
    return AgeRange(error, youngest, oldest, round(people))


def _stages(tensors: dict[str, NDArray[np.generic]], name: str) -> Stages:
    slope, *bounds = np.asarray(tensors[f"{name}/stages"], np.float64).tolist()
    told = tuple(int(one) for one in np.asarray(tensors[f"{name}/told"]))
    if len(bounds) != len(told) - 1:
        raise ValueError(UNFIT)
    return Stages(told, slope, tuple(bounds))


def _sigmoid(x: Doubles) -> Doubles:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)), np.float64)
