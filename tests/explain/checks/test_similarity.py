import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from core.explain.checks.similarity import null_of, pearson, ranks, similarity, ssim, ssim_within, top_overlap


@pytest.mark.parametrize("shape", [(11, 11), (40, 57), (224, 224)])
@pytest.mark.parametrize("data_range", [1.0, 3.7])
def test_ssim_is_scikit_images(shape: tuple[int, int], data_range: float) -> None:
    one, other = np.random.default_rng(0).random((2, *shape)) * data_range
    other = 0.6 * one + 0.4 * other
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = structural_similarity(one, other, data_range=data_range, **options)
    assert ssim(one, other, data_range=data_range) == pytest.approx(expected, abs=1e-9)


def test_the_data_range_is_the_maps_not_that_of_bytes() -> None:
    """With a range of 255, all maps in [0, 1] look similar."""
    one, other = np.random.default_rng(1).random((2, 64, 64))
    assert ssim(one, other, data_range=255) > 0.99
    assert ssim(one, other, data_range=1) < 0.1


def test_a_map_a_thousand_times_weaker_is_not_similar() -> None:
    one = np.random.default_rng(2).random((7, 7)).astype(np.float32)
    weak = similarity(one, one / 1000, (224, 224))
    assert weak.ssim < 0.1
    assert weak.pearson == pytest.approx(1, abs=1e-5)


def test_constant_maps_have_no_similarity() -> None:
    empty = np.zeros((7, 7), np.float32)
    assert all(np.isnan(value) for value in vars(similarity(empty, empty, (64, 64))).values())
    assert np.isnan(pearson(empty, empty))


def test_random_coarse_maps_are_similar_when_drawn_and_that_is_the_null() -> None:
    coarse = null_of(np.random.default_rng(3).random((7, 7)), (224, 224))
    assert 0.4 < coarse["ssim"][0] < 0.6
    assert abs(coarse["pearson"][0]) < 0.05
    assert coarse["ssim"][1] < coarse["ssim"][0] < coarse["ssim"][2]
    fine = null_of(np.random.default_rng(3).standard_cauchy((64, 64)), (64, 64))
    assert fine["ssim"][0] > 0.5  # a few extreme values make everything else similar
    assert abs(fine["pearson"][0]) < 0.05


def test_ranks_ignore_scale_and_outliers_and_windows_stay_inside_the_mask() -> None:
    one = np.random.default_rng(4).standard_cauchy((40, 40))
    np.testing.assert_allclose(ranks(one), ranks(np.arctan(one) * 7))
    inside = np.zeros((40, 40), bool)
    inside[8:32, 8:32] = True
    other = np.where(inside, one, -one)
    assert ssim_within(ranks(one, inside), ranks(other, inside), inside, data_range=1) == pytest.approx(1)
    assert ssim_within(ranks(one), ranks(-one), inside, data_range=1) < -0.5


@given(st.integers(0, 10_000), st.integers(2, 12))
def test_measures_are_symmetric_and_bounded(seed: int, side: int) -> None:
    one, other = np.random.default_rng(seed).random((2, side, side))
    for measure in (lambda a, b: ssim(a, b, data_range=1), pearson, top_overlap):
        assert measure(one, other) == pytest.approx(measure(other, one))
        assert -1.000001 <= measure(one, other) <= 1.000001
        assert measure(one, one) == pytest.approx(1)
