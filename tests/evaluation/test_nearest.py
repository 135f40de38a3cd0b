"""The nearest training picture, which learns nothing: its answers are known by construction."""

import numpy as np
import pytest

from core.cohorts.tasks import TASKS
from core.evaluation.nearest import ALIKE, most_alike, nearest_training_picture
from core.evaluation.scored import Scored

SHAPE = (64, 48)


def pictures(count: int, *, seed: int) -> np.ndarray:
    """Blocks of 8 × 8 pixels of random grey: no two are alike, and shrinking them keeps their pattern."""
    drawn = np.random.default_rng(seed).integers(0, 256, (count, 8, 6, 1), np.uint8)
    return drawn.repeat(8, axis=1).repeat(8, axis=2)


def test_the_most_alike_is_the_copy_whatever_its_brightness_and_contrast() -> None:
    known = pictures(20, seed=0)
    asked = (known[[3, 17, 8]].astype(float) * 0.5 + [[[[20]]], [[[60]]], [[[0]]]]).astype(np.uint8)
    found, likeness = most_alike(known, asked)
    assert found.tolist() == [3, 17, 8]
    assert likeness == pytest.approx(1, abs=1e-3)


def test_it_is_numpys_correlation_of_the_shrunken_pictures() -> None:
    known, asked = pictures(7, seed=1), pictures(5, seed=2)
    shrunken = [one[:, :, :, 0].reshape(-1, 32, 2, SHAPE[1]).mean(axis=2) for one in (known, asked)]
    rows = [np.stack([np.interp(np.linspace(0.25, 46.75, 32), np.arange(48), row) for row in one.reshape(-1, 48)])
            .reshape(len(one), -1) for one in shrunken]  # fmt: skip
    expected = np.corrcoef(rows[1], rows[0])[:5, 5:]
    found, likeness = most_alike(known, asked)
    assert likeness == pytest.approx(expected[np.arange(5), found], abs=0.05)


def test_one_grey_level_is_like_nothing() -> None:
    _, likeness = most_alike(pictures(4, seed=3), np.full((1, *SHAPE, 1), 77, np.uint8))
    assert likeness == pytest.approx(0, abs=1e-5)


def test_copies_are_answered_by_their_label_and_what_is_unlike_is_counted_apart() -> None:
    """Ten test scans: six copies of training pictures, four of them of the same label, and four like nothing."""
    trained, labels = pictures(12, seed=4), np.arange(12) % 4
    scans = np.concatenate([trained[:6], pictures(4, seed=5)])
    true = np.r_[labels[:4], (labels[4:6] + 1) % 4, [0, 1, 2, 3]]
    said = np.full((10, 4), -5.0)
    said[np.arange(10), np.r_[true[:6], [0, 1, 2, 0]]] = 5  # the network: right for nine, and for three of the four
    found = nearest_training_picture(trained, labels, scored(true, said), scans)
    hits = found.by_slice.value * 10
    assert 4 <= hits <= 8  # the four, and whatever luck has it on the others
    assert found.by_subject is None
    assert found.unlike is not None
    assert (found.unlike.scans, found.unlike.below) == (4, ALIKE)
    assert found.unlike.network.value == pytest.approx(0.75)
    assert found.unlike.nearest.value * 4 == pytest.approx(hits - 4)


def test_where_all_are_copies_nothing_is_unlike() -> None:
    trained, labels = pictures(8, seed=6), np.arange(8) % 4
    people = [f"P{index // 2}" for index in range(8)]
    found = nearest_training_picture(trained, labels, scored(labels, np.eye(4)[labels], people), trained)
    assert found.by_slice.value == 1
    assert found.by_subject is not None
    assert found.unlike is None


def scored(true: np.ndarray, logits: np.ndarray, people: list[str] | None = None) -> Scored:
    names = np.array(people if people is not None else [""] * len(true))
    return Scored(true.astype(np.int64), logits.astype(np.float32), names, TASKS["tumour"])
