"""Morphometric models of people whose ventricles widen with age, and more so with illness."""

from dataclasses import replace

import numpy as np
import pytest

from core.errors import TrainingError
from core.evaluation.bootstrap import weighted_auc
from core.morphometry.fit import Learned, fit_tissue_model
from core.morphometry.maps import BLOCK, inside_of, maps_of
from core.morphometry.model import NEVER, AgeRange, Stages, TissueModel
from core.morphometry.tissue import tissues_of

from . import phantoms

IMPAIRED = (False, True, True, True)
PER_YEAR, OF_ILLNESS, OF_A_PERSON = 0.12, 1.2, 0.6


def people_of(count: int, seed: int = 0) -> Learned:
    """Return people of 55 to 90 years, half of them ill; of the last four no age is known."""
    rng = np.random.default_rng(seed)
    labels, ages = np.arange(count) % 4 % 3, rng.uniform(55, 90, count)
    labels = np.where(np.arange(count) % 2, labels, 0)
    labels = np.where((np.arange(count) % 2 == 1) & (rng.random(count) < 0.5), 2, np.minimum(labels, 1))
    maps, inside = [], []
    for label, age in zip(labels, ages, strict=True):
        tissues = tissues_of(
            phantoms.slab(rng, 5 + PER_YEAR * (age - 55) + OF_ILLNESS * label + rng.normal(0, OF_A_PERSON))
        )
        assert tissues is not None
        maps.append(maps_of(tissues))
        inside.append(inside_of(tissues))
    ages[-4:] = np.nan
    return Learned(np.stack(maps), np.mean(inside, axis=0), labels.astype(np.int64), IMPAIRED, ages)


@pytest.fixture(scope="module")
def people() -> Learned:
    return people_of(80)


@pytest.fixture(scope="module")
def others() -> Learned:
    return people_of(60, seed=1)


@pytest.fixture(scope="module")
def aged(people: Learned) -> tuple[TissueModel, np.ndarray]:
    return fit_tissue_model(people, kind="tissue_maps", age=True)


def auc(logits: np.ndarray, people: Learned) -> float:
    score = -logits[:, 0].astype(float)
    return float(weighted_auc(people.ill, score, np.ones((1, len(people)), np.int64))[0])


def test_it_tells_people_it_has_never_seen_and_better_with_their_age(
    aged: tuple[TissueModel, np.ndarray], others: Learned
) -> None:
    model, _ = aged
    without, with_age = model.logits(others.maps, 4), model.logits(others.maps, 4, others.ages)
    assert auc(without, others) > 0.7
    known = others.where(np.isfinite(others.ages))
    assert auc(with_age[np.isfinite(others.ages)], known) > auc(without[np.isfinite(others.ages)], known) + 0.05
    unknown = ~np.isfinite(others.ages)
    assert (with_age[unknown] == without[unknown]).all()


def test_everybody_it_learned_from_is_answered_by_a_model_that_has_not_seen_them(
    people: Learned, aged: tuple[TissueModel, np.ndarray]
) -> None:
    model, answered = aged
    assert auc(answered, people) < auc(model.logits(people.maps, 4, people.ages), people)
    shuffled = replace_labels(people, np.random.default_rng(7).permutation(people.labels))
    _, by_chance = fit_tissue_model(shuffled, kind="tissue_maps", age=True)
    assert abs(auc(by_chance, shuffled) - 0.5) < 0.2


def replace_labels(people: Learned, labels: np.ndarray) -> Learned:
    return replace(people, labels=labels)


@pytest.mark.parametrize("age", [None, 60.0, 85.0])
def test_contributions_add_up_to_the_score(
    aged: tuple[TissueModel, np.ndarray], others: Learned, age: float | None
) -> None:
    model, _ = aged
    for maps in others.maps[:10]:
        each, expected, score = model.contributions(maps, age)
        assert expected + each.sum(dtype=np.float64) == pytest.approx(score, abs=1e-5)
        line = model.scores.without_age if age is None else model.scores.with_age
        assert line is not None
        ages = None if age is None else np.array([age])
        assert line(model.scores.values(maps[None]), ages)[0] == pytest.approx(score, abs=1e-9)


def test_what_speaks_for_illness_lies_where_the_ventricles_are_wider(
    people: Learned, aged: tuple[TissueModel, np.ndarray]
) -> None:
    model, _ = aged
    rng = np.random.default_rng(11)
    narrow, wide = phantoms.slab(rng, 6.0, noise=0.0), None
    rng = np.random.default_rng(11)
    wide = phantoms.slab(rng, 12.0, noise=0.0)
    tissues = tissues_of(wide)
    assert tissues is not None
    each, _, _ = model.contributions(maps_of(tissues), 60.0)
    differs = np.abs(wide - narrow) > 20
    depth, height, width = (side // BLOCK for side in phantoms.SHAPE)
    block = differs.reshape(depth, BLOCK, height, BLOCK, width, BLOCK).any(axis=(1, 3, 5))
    near = np.zeros_like(block)
    for row in (-1, 0, 1):  # the maps are smoothed by 3 mm
        for column in (-1, 0, 1):
            near |= np.roll(block, (row, column), axis=(1, 2))
    evidence = np.maximum(each, 0).sum(axis=0)
    assert evidence[near].sum() > 0.8 * evidence.sum()


def test_an_older_person_with_the_same_brain_is_less_ill(aged: tuple[TissueModel, np.ndarray], others: Learned) -> None:
    model, _ = aged
    assert model.scores.with_age is not None
    values = model.scores.values(others.maps)
    young, old = (model.scores.with_age(values, np.full(len(others), age)) for age in (60.0, 85.0))
    assert (old < young - 0.5).all()


def test_brain_age_follows_age(aged: tuple[TissueModel, np.ndarray], others: Learned) -> None:
    model, _ = aged
    assert model.scores.brain_age is not None
    healthy = others.where(~others.ill & np.isfinite(others.ages))
    found = model.scores.brain_age(model.scores.values(healthy.maps))
    assert np.corrcoef(found, healthy.ages)[0, 1] > 0.8
    assert abs(float((found - healthy.ages).mean())) < 4
    np.testing.assert_allclose(model.brain_ages(healthy.maps), found)


def test_the_error_of_brain_age_is_that_of_people_it_has_not_seen(
    aged: tuple[TissueModel, np.ndarray], people: Learned, others: Learned
) -> None:
    model, _ = aged
    known = model.scores.of_age
    learned = people.ages[~people.ill & np.isfinite(people.ages)]
    assert (known.youngest, known.oldest, known.people) == (learned.min(), learned.max(), len(learned))
    healthy = others.where(~others.ill & np.isfinite(others.ages))
    error = float(np.std(model.brain_ages(healthy.maps) - healthy.ages, ddof=1))
    assert known.error / 2 < error < known.error * 2
    again = TissueModel.of_tensors(model.tensors()).scores.of_age
    assert again == AgeRange(*(pytest.approx(value, rel=1e-6) for value in (known.error, *learned_range(learned))))
    older = {name: value for name, value in model.tensors().items() if name != "brain_age/known"}
    assert TissueModel.of_tensors(older).scores.of_age is None


def learned_range(ages: np.ndarray) -> tuple[float, float, int]:
    return float(ages.min()), float(ages.max()), len(ages)


def test_stored_and_read_back_it_says_the_same(aged: tuple[TissueModel, np.ndarray], others: Learned) -> None:
    model, _ = aged
    again = TissueModel.of_tensors(model.tensors())
    assert again.logits(others.maps, 4, others.ages) == pytest.approx(
        model.logits(others.maps, 4, others.ages), abs=1e-4
    )
    damaged = {name: value for name, value in model.tensors().items() if name != "healthy"}
    with pytest.raises(KeyError):
        TissueModel.of_tensors(damaged)
    with pytest.raises(ValueError, match="do not fit together"):
        TissueModel.of_tensors({**model.tensors(), "healthy": np.zeros(3, np.float32)})


def test_a_class_of_few_people_is_never_answered(aged: tuple[TissueModel, np.ndarray], others: Learned) -> None:
    model, _ = aged
    assert model.without_age.told == (0, 1, 2)
    logits = model.logits(others.maps, 4)
    assert (logits[:, 3] == np.float32(NEVER)).all()
    assert np.exp(logits).sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_stages_are_proportional_odds() -> None:
    stages = Stages((0, 1, 2), 2.0, (-0.5, 1.0))
    logits = stages.logits(np.array([-0.5, 1.0, 30.0]), 3)
    chances = np.exp(logits)
    assert chances[0, 0] == pytest.approx(0.5)
    assert chances[1, 2] == pytest.approx(0.5)
    assert chances[2, 2] == pytest.approx(1, abs=1e-6)


def test_the_one_number_is_linear_and_has_the_same_maps(people: Learned, others: Learned) -> None:
    model, _ = fit_tissue_model(people, kind="fluid_fraction", age=False)
    assert model.with_age is None
    assert model.scores.brain_age is None
    fluid = others.maps[:, 0][:, model.scores.mask[0]].mean(axis=1)
    score = model.scores.without_age(model.scores.values(others.maps))
    assert np.corrcoef(score, fluid)[0, 1] == pytest.approx(1, abs=1e-6)
    assert auc(model.logits(others.maps, 4), others) > 0.6


def test_too_few_people_or_ages_are_refused(people: Learned) -> None:
    healthy = np.flatnonzero(~people.ill)
    few = people.where(np.r_[healthy[:9], np.flatnonzero(people.ill)])
    with pytest.raises(TrainingError, match=r"10 healthy and 10 impaired people.*there are 9 and"):
        fit_tissue_model(few, kind="tissue_maps", age=False)
    ageless = Learned(people.maps, people.inside, people.labels, IMPAIRED, np.full(len(people), np.nan))
    with pytest.raises(TrainingError, match=r"asks for age.*--people"):
        fit_tissue_model(ageless, kind="tissue_maps", age=True)


def test_how_ill_somebody_is_comes_from_class_and_mmse(people: Learned) -> None:
    labels = np.array([0] * 8 + [1] * 6 + [2] * 2)
    known = replace(people, labels=labels, mmse=np.r_[[29.0] * 7, np.nan, [26.0, 22.0] * 3, [np.nan] * 2])
    severity = known.severity
    assert severity[7] == pytest.approx(severity[0])  # as others of the class
    assert severity[9] > severity[8] > severity[0]
    assert severity[14] > np.mean(severity[8:14])  # at least as ill as the class below, and of a later one
    few = replace(known, mmse=np.r_[[29.0] * 9, [np.nan] * 7])
    assert (few.severity == labels).all()
