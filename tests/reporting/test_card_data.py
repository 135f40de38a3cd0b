"""Every fact about scans and people on a card is counted in the tables it came from: another table, another text."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cohorts.manifest import COLUMNS, write_manifest
from core.cohorts.split_summary import describe_split
from core.networks.bundle import Bundle
from core.networks.recipe import Augmentation, Classic, Imbalance, Oversampling, Phase, Recipe, Slices
from core.networks.recipe_files import with_settings
from core.networks.titles import title_of
from core.reporting.model_card import model_card
from core.reporting.text.card_data import data_sentences, limit_sentences, unknown_facts
from core.results import Confounders, Covariate, Estimate, GroupMetrics

from ..conftest import CLASSES, tiny_card, tiny_metrics, tiny_recipe

HALF = Estimate(0.5, 0.4, 0.6)
OF_OTHER_DATA = ("OASIS", "200 people", "one scanner", "must be skull-stripped", "two people", "youngest")


@dataclass(frozen=True)
class Facts:
    """What a card is written from."""

    split: pd.DataFrame
    recipe: Recipe
    start: str = "random weights, seed 3"
    confounders: Confounders | None = None

    def card(self, folder: Path) -> str:
        card = tiny_card(
            self.recipe,
            split=describe_split(self.split),
            data=data_sentences(self.split, self.recipe),
            limits=(*limit_sentences(self.split, self.recipe, "test"), unknown_facts(self.confounders)),
            heading=title_of(self.recipe, self.start),
            start=self.start,
            confounders=self.confounders,
            published_protocol=None,
        )
        return model_card(Bundle(folder, card))


def split_table(folder: Path) -> pd.DataFrame:
    """Six people of each class, two slices each: four to train, one to validate, one to test."""
    rows = []
    for label in CLASSES:
        for person in range(12):
            part = "test" if person < 6 else "val" if person < 8 else "train"
            rows += [
                (f"{folder}/{label}/{person}_{at}.png", label, f"{label} {person}", at, part, "subject", 1)
                for at in (1, 2)
            ]
    return pd.DataFrame(rows, columns=["path", "label", "subject", "slice", "part", "by", "seed"])


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    return Facts(split_table(tmp_path / "scans"), tiny_recipe())


def without(facts: Facts, chosen: pd.Series) -> Facts:
    return replace(facts, split=facts.split[~chosen].reset_index(drop=True))


def preprocessed(facts: Facts, *, verdict: str = "good", lowest: float = -3.0) -> Facts:
    """Write the manifest that `stagelens preprocess` leaves."""
    folder = Path(facts.split["path"].iloc[0]).parents[1]
    folder.mkdir(exist_ok=True)
    rows = [
        (Path(path).relative_to(folder).as_posix(), label, person, "", lowest + 10 * at, person, verdict, 0.9, "")
        for path, label, person, at in facts.split[["path", "label", "subject", "slice"]].itertuples(index=False)
    ]
    write_manifest(folder, pd.DataFrame(rows, columns=list(COLUMNS)))
    return facts


def with_ages(facts: Facts, people: int = 24) -> Facts:
    metrics = replace(tiny_metrics(), estimates={**tiny_metrics().estimates, "auc_impaired": HALF})
    group = GroupMetrics("everybody", 24, metrics, metrics, (Covariate("age", people, HALF, HALF),))
    return replace(facts, confounders=Confounders((group,), (), ()))


def with_recipe(**changes: object) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, recipe=replace(facts.recipe, **changes))


MODERATE = "Moderate Demented"
CHANGES: dict[str, tuple[str, Callable[[Facts], Facts], str]] = {
    "number of scans": (
        "In all 96 scans of 48 people",
        lambda facts: without(facts, facts.split["slice"] == 2),
        "In all 48 scans of 48 people",
    ),
    "people of a class": (
        "Moderate Demented 24 scans of 12 people",
        lambda facts: without(facts, facts.split["subject"] == f"{MODERATE} 11"),
        "Moderate Demented 22 scans of 11 people",
    ),
    "whose scans they are": (
        "Nobody is in two parts.",
        lambda facts: replace(facts, split=facts.split.assign(subject="")),
        "Whose scans they are is not known.",
    ),
    "people in several parts": (
        "Nobody is in two parts.",
        lambda facts: replace(facts, split=facts.split.assign(subject=facts.split["subject"].str.replace("11", "1"))),
        "4 of 44 people have slices in more than one part",
    ),
    "a class nobody trained on": (
        "In all 96 scans",
        lambda facts: without(facts, (facts.split["label"] == MODERATE) & (facts.split["part"] == "train")),
        "Moderate Demented: no scan in the training part; the network has never seen this class.",
    ),
    "a class with few people to test": (
        "In all 96 scans",
        lambda facts: without(
            facts, (facts.split["label"] == MODERATE) & facts.split["subject"].str.contains(" [0-3]$")
        ),
        "Moderate Demented: 2 people in the test part, fewer than the 5 people a statement needs.",
    ),
    "way of splitting": (
        "they were split by subject, seed 1",
        lambda facts: replace(facts, split=facts.split.assign(by="slice")),
        "they were split by slice, at random, seed 1",
    ),
    "seed": (
        "they were split by subject, seed 1",
        lambda facts: replace(facts, split=facts.split.assign(seed=7)),
        "they were split by subject, seed 7",
    ),
    "preparation": (
        "How the scans were prepared (skull-stripping, bias correction, alignment) is not recorded.",
        preprocessed,
        "96 scans were made from 48 volumes aligned to standard space (48 good), +7 to +17 mm above the AC–PC line.",
    ),
    "preparation of some": (
        "is not recorded",
        lambda facts: replace(
            preprocessed(facts),
            split=pd.concat([facts.split, facts.split.head(1).assign(path="/elsewhere/a.png", subject="new")]),
        ),
        "1 scan came without such a record.",
    ),
    "verdict of the alignment": (
        "is not recorded",
        lambda facts: preprocessed(facts, verdict="uncertain"),
        "(48 uncertain)",
    ),
    "ages": (
        "Not known of these people, and so not looked into: age, sex, site, scanner.",
        with_ages,
        "Not known of these people, and so not looked into: sex, site, scanner.",
    ),
    "a table of subjects without any age": (
        "looked into: age, sex, site, scanner.",
        lambda facts: with_ages(facts, people=0),
        "looked into: age, sex, site, scanner.",
    ),
    "size of the input": (
        "# Tiny ResNet, 48 × 40, from scratch",
        with_recipe(height=32, width=32),
        "# Tiny ResNet, 32 × 32, from scratch",
    ),
    "start weights": (
        "# Tiny ResNet, 48 × 40, from scratch",
        lambda facts: replace(facts, start="ImageNet (downloaded by Keras)"),
        "# Tiny ResNet, 48 × 40, from ImageNet",
    ),
    "start weights from a file": (
        "# Tiny ResNet, 48 × 40, from scratch",
        lambda facts: replace(facts, start="mine.h5 (SHA-256 0123)"),
        "# Tiny ResNet, 48 × 40, from mine.h5",
    ),
    "what it reads": (
        "It takes one slice of the kind it was trained on,",
        with_recipe(slices=Slices(0, 9)),
        "none of the scans it was measured on is known to be such a slice.",
    ),
    "class weights": (
        "Against imbalance: nothing.",
        with_recipe(imbalance=Imbalance(class_weights=True)),
        "Against imbalance: class weights.",
    ),
    "loss": (
        "Against imbalance: nothing.",
        with_recipe(imbalance=Imbalance(loss="focal", focal_gamma=3.0)),
        "Against imbalance: focal loss (γ = 3).",
    ),
    "a setting of a loss that is not used": (
        "Against imbalance: nothing.",
        with_recipe(imbalance=Imbalance(focal_gamma=3.0)),
        "Against imbalance: nothing.",
    ),
    "sampling": (
        "Against imbalance: nothing.",
        with_recipe(imbalance=Imbalance(sampling="weighted")),
        "Against imbalance: weighted sampling.",
    ),
    "oversampling": (
        "Against imbalance: nothing.",
        with_recipe(phases=(Phase("head", 1e-3, 1, 1, oversampling=Oversampling("smote")),)),
        "Against imbalance: smote.",
    ),
}


@pytest.mark.parametrize(("before", "change", "after"), CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_fact_changes_its_sentence(
    facts: Facts, before: str, change: Callable[[Facts], Facts], after: str, tmp_path: Path
) -> None:
    text = facts.card(tmp_path)
    assert before in text
    assert after not in text or after == before  # some changes must not change anything
    assert after in change(facts).card(tmp_path)


def test_a_card_says_nothing_of_another_data_set(facts: Facts, tmp_path: Path) -> None:
    for recipe in (facts.recipe, replace(facts.recipe, slices=Slices(0, 9))):
        text = replace(facts, recipe=recipe).card(tmp_path)
        assert not [said for said in OF_OTHER_DATA if said in text]


def test_a_recipes_own_title_is_not_believed(facts: Facts, tmp_path: Path) -> None:
    recipe = with_settings(replace(facts.recipe, title="ResNet50 from ImageNet, 224 × 224"), ["height=32"])
    assert "ImageNet" not in replace(facts, recipe=recipe).card(tmp_path)
    assert recipe.title == "Tiny ResNet, 32 × 40, from scratch"
    assert with_settings(facts.recipe, ["height=48"]).title == facts.recipe.title  # nothing is changed
    assert with_settings(facts.recipe, ["height=32", 'title="Mine"']).title == "Mine"


def test_titles_of_classifiers_name_what_they_are() -> None:
    nearest = tiny_recipe(phases=(), backbone="pixels", height=32, width=32, classic=Classic("nearest_neighbours"))
    assert title_of(nearest) == "Pixels, 32 × 32, nearest neighbours"
    assert title_of(replace(nearest, backbone="tiny")) == "Tiny ResNet, 32 × 32, nearest neighbours, from scratch"


def test_a_network_trained_on_every_side_up_is_not_said_to_know_upright() -> None:
    assert tiny_recipe().knows_upright
    assert not tiny_recipe(augmentation=Augmentation(flip_vertical=True)).knows_upright
    assert not tiny_recipe(augmentation=Augmentation(rotation_degrees=90)).knows_upright


def test_intervals_over_slices_are_not_called_intervals_over_people() -> None:
    from core.cohorts.tasks import SYNTHETIC
    from core.evaluation.metrics import slice_metrics
    from core.evaluation.scored import Scored

    labels, logits = np.array([0, 1, 0, 1]), np.eye(2, dtype=np.float32)[[0, 1, 1, 1]]
    known, unknown = (
        slice_metrics(Scored(labels, logits, np.array(names), SYNTHETIC)) for names in (list("abcd"), [""] * 4)
    )
    assert "people" in known.method
    assert "people" not in unknown.method
