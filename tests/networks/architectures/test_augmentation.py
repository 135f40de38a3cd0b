import numpy as np
import pytest

from core.networks.architectures.augmentation import RandomView
from core.networks.recipe import Augmentation

SCANS = np.random.default_rng(0).uniform(0, 255, (16, 24, 20, 1)).astype(np.float32)


def view(augmentation: Augmentation, scans: np.ndarray = SCANS, *, seed: int = 1) -> np.ndarray:
    return np.asarray(RandomView(augmentation, seed)(scans, training=True))


def test_nothing_changes_outside_training_and_without_any_setting() -> None:
    everything = Augmentation(15, 0.1, 0.2, 10, flip_horizontal=True, flip_vertical=True)
    np.testing.assert_array_equal(np.asarray(RandomView(everything, 1)(SCANS, training=False)), SCANS)
    np.testing.assert_allclose(view(Augmentation()), SCANS, atol=1e-3)


def test_a_flip_gives_the_scan_or_its_mirror_and_both_happen() -> None:
    for augmentation, axis in ((Augmentation(flip_horizontal=True), 2), (Augmentation(flip_vertical=True), 1)):
        seen = view(augmentation)
        mirrored = np.flip(SCANS, axis)
        kinds = [
            "same" if np.allclose(one, scan, atol=1e-2) else "mirror" if np.allclose(one, other, atol=1e-2) else "?"
            for one, scan, other in zip(seen, SCANS, mirrored, strict=True)
        ]
        assert set(kinds) == {"same", "mirror"}


def test_a_shift_moves_the_scan_as_a_whole_and_no_further_than_asked() -> None:
    dot = np.zeros((64, 41, 41, 1), np.float32)
    dot[:, 20, 20] = 100
    moved = view(Augmentation(shift=0.1), dot)[..., 0]
    rows, columns = np.mgrid[:41, :41]
    centres = np.array([[(one * rows).sum(), (one * columns).sum()] / one.sum() for one in moved])
    assert np.abs(centres - 20).max() <= 4.1 + 1e-3
    assert np.abs(centres - 20).max(axis=0).min() > 2
    np.testing.assert_allclose(moved.sum(axis=(1, 2)), 100, rtol=1e-3)


def test_a_rotation_keeps_distances_from_the_middle() -> None:
    dot = np.zeros((32, 41, 41, 1), np.float32)
    dot[:, 20, 32] = 100
    turned = view(Augmentation(rotation_degrees=30), dot)[..., 0]
    rows, columns = np.mgrid[:41, :41]
    indices = np.array([[(one * rows).sum(), (one * columns).sum()] / one.sum() for one in turned]) - 20
    angles = np.degrees(np.arctan2(indices[:, 0], indices[:, 1]))
    np.testing.assert_allclose(np.hypot(*indices.T), 12, atol=0.3)
    assert 20 < np.abs(angles).max() <= 31
    assert angles.min() < 0 < angles.max()


def test_zoom_and_shear_change_as_far_as_asked() -> None:
    bar = np.zeros((32, 41, 41, 1), np.float32)
    bar[:, 10:31, 10:31] = 100
    aucs = view(Augmentation(zoom=0.2), bar).sum(axis=(1, 2, 3)) / bar[0].sum()
    assert 1 / 1.2**2 - 0.05 < aucs.min() < 0.9
    assert 1.1 < aucs.max() < 1 / 0.8**2 + 0.05
    np.testing.assert_allclose(view(Augmentation(shear_degrees=10), bar).sum(axis=(1, 2, 3)), bar[0].sum(), rtol=0.02)


@pytest.mark.parametrize(("fill", "rim"), [("nearest", 100), ("constant", 0)])
def test_uncovered_borders_are_filled(fill: str, rim: float) -> None:
    flat = np.full((8, 24, 20, 1), 100, np.float32)
    seen = view(Augmentation(shift=0.3, fill=fill), flat)
    assert seen.min() == pytest.approx(rim, abs=1e-3)


def test_the_slices_of_a_volume_move_alike() -> None:
    volume = np.repeat(SCANS[:2, None], 5, axis=1)
    moved = view(Augmentation(15, 0.1, flip_horizontal=True), volume)
    assert moved.shape == volume.shape
    for slices in moved:
        np.testing.assert_allclose(slices, np.broadcast_to(slices[:1], slices.shape), atol=1e-4)
    assert np.abs(moved - volume).max() > 10


def test_the_same_seed_gives_the_same_views() -> None:
    augmentation = Augmentation(15, 0.1, 0.1, 5, flip_horizontal=True, flip_vertical=True)
    np.testing.assert_array_equal(view(augmentation, seed=3), view(augmentation, seed=3))
    assert np.abs(view(augmentation, seed=3) - view(augmentation, seed=4)).max() > 10
