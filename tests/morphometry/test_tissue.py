"""Tissues of slabs whose composition is known."""

import numpy as np
import pytest

from core.morphometry.tissue import FLUID, GREY, WHITE, evened, tissues_of

from . import phantoms


@pytest.mark.parametrize("ventricles", [4.0, 8.0, 12.0])
def test_the_fraction_of_fluid_is_that_of_the_ellipses(ventricles: float) -> None:
    found = tissues_of(phantoms.slab(np.random.default_rng(1), ventricles))
    assert found is not None
    assert found.fluid_fraction == pytest.approx(phantoms.fluid_fraction(ventricles), abs=0.02)
    assert found.fractions.sum(axis=0)[found.inside] == pytest.approx(1, abs=1e-5)
    assert (found.fractions[:, ~found.inside] == 0).all()
    assert found.means[FLUID] < 0.3 < found.means[GREY] < 0.75 < found.means[WHITE] == 1.0


def test_fluid_within_the_head_counts_as_head_and_the_air_around_it_does_not() -> None:
    scan = phantoms.slab(np.random.default_rng(2), 10.0)
    found = tissues_of(scan)
    assert found is not None
    middle = tuple(side // 2 for side in scan.shape)
    assert found.inside[middle]
    assert found.fractions[FLUID][middle] > 0.9
    assert not found.inside[:, 0, 0].any()


def test_slices_that_were_scaled_one_by_one_have_the_tissues_of_the_same_head_unscaled() -> None:
    scan = phantoms.slab(np.random.default_rng(3), 7.0)
    gains = np.random.default_rng(4).uniform(0.6, 1.2, len(scan)).astype(np.float32)
    level = evened(scan * gains[:, None, None])
    ratio = np.median((level / np.maximum(scan, 1e-6))[scan > 100].reshape(-1))
    assert np.median(np.abs(level / ratio - scan)[scan > 0]) < 2
    whole, scaled = tissues_of(scan), tissues_of(scan * gains[:, None, None])
    assert whole is not None
    assert scaled is not None
    assert scaled.fluid_fraction == pytest.approx(whole.fluid_fraction, abs=0.005)


def test_a_brighter_scan_of_the_same_head_has_the_same_tissues() -> None:
    scan = phantoms.slab(np.random.default_rng(5), 7.0)
    dark, bright = tissues_of(scan * 0.5), tissues_of(scan)
    assert dark is not None
    assert bright is not None
    assert dark.fluid_fraction == pytest.approx(bright.fluid_fraction, abs=1e-3)


@pytest.mark.parametrize(
    "scan",
    [
        np.zeros(phantoms.SHAPE, np.float32),
        np.full(phantoms.SHAPE, 100, np.float32),
        np.where(np.indices(phantoms.SHAPE).sum(axis=0) % 2, 255, 0).astype(np.float32),
    ],
    ids=["black", "grey", "two levels"],
)
def test_what_has_no_tissues_has_none(scan: np.ndarray) -> None:
    assert tissues_of(scan) is None
