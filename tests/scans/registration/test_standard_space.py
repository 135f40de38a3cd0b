import warnings
from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from core.errors import NoHead, ScanError
from core.scans import Scan
from core.scans.planes import as_network_slice, plane_picture, upright
from core.scans.registration.affine import register_to_template
from core.scans.registration.standard_space import (
    AFFINE,
    INTENSITY_SPREAD,
    ORIGIN_MM,
    SHAPE,
    TRAINING_INTENSITIES,
    StandardHead,
    axial_slices,
    brain_mask,
    intensities_of,
    to_standard_space,
)
from core.scans.registration.template import ICBM_TO_TALAIRACH, template

from .. import heads


def scan_of(voxels: np.ndarray, affine: np.ndarray) -> Scan:
    spacing = tuple(float(step) for step in np.linalg.norm(affine[:3, :3], axis=0))
    return Scan(
        voxels=voxels.astype(np.float32),
        window=(0.0, 1000.0),
        name="scan-0",
        source="synthetic",
        spacing_mm=spacing,
        orientation="RAS",
        modality="MR",
        affine=affine,
    )


@pytest.fixture(scope="module")
def brain() -> heads.Moved:
    return heads.moved(3, skull=False)


@pytest.fixture(scope="module")
def standard(brain: heads.Moved) -> StandardHead:
    return to_standard_space(scan_of(brain.voxels, brain.affine))


@pytest.mark.slow
@pytest.mark.parametrize(("skull", "within_mm"), [(False, 0.5), (True, 2.0)])
def test_a_moved_head_is_found_again(skull: bool, within_mm: float) -> None:
    seen = heads.moved(11, skull=skull)
    found = register_to_template(seen.voxels, seen.affine)
    assert heads.median_error_mm(found.to_scan, seen.to_scan) < within_mm


def test_a_moved_brain_lands_where_it_should_and_is_called_good(standard: StandardHead, brain: heads.Moved) -> None:
    truth = brain.to_scan @ np.linalg.inv(ICBM_TO_TALAIRACH)
    assert heads.median_error_mm(standard.to_scan @ ICBM_TO_TALAIRACH, truth @ ICBM_TO_TALAIRACH) < 0.5
    assert standard.registered
    assert standard.quality.verdict == "good"
    assert standard.scan.warnings == ()


def test_standard_space_has_its_grid_its_mask_and_the_intensities_of_the_training_slices(
    standard: StandardHead,
) -> None:
    assert standard.scan.voxels.shape == SHAPE == (176, 208, 176)
    np.testing.assert_array_equal(standard.scan.affine, AFFINE)
    assert not standard.scan.voxels[~brain_mask()].any()
    difference = np.abs(intensities_of(standard.scan.voxels) - np.array(TRAINING_INTENSITIES))
    assert (difference < np.maximum(np.array(INTENSITY_SPREAD), 2)).all()


def test_what_is_in_standard_space_already_is_left_there(standard: StandardHead) -> None:
    again = to_standard_space(standard.scan)
    assert not again.registered
    np.testing.assert_allclose(again.scan.voxels, standard.scan.voxels, atol=1e-3)


def test_a_slab_of_standard_space_is_recognised(standard: StandardHead) -> None:
    low = round(-3 - ORIGIN_MM[2])
    affine = AFFINE.copy()
    affine[2, 3] = -3
    slab = to_standard_space(scan_of(standard.scan.voxels[:, :, low : low + 32], affine))
    assert not slab.registered
    np.testing.assert_allclose(
        slab.scan.voxels[:, :, low : low + 32], standard.scan.voxels[:, :, low : low + 32], atol=1e-3
    )


@pytest.mark.parametrize(("flip", "said"), [((1, 1, -1), "top and bottom"), ((1, -1, -1), "both")])
def test_a_brain_on_the_grid_but_the_wrong_way_round_is_flipped_with_a_warning(
    standard: StandardHead, flip: tuple[int, ...], said: str
) -> None:
    turned = standard.scan.voxels[tuple(slice(None, None, step) for step in flip)]
    centred = np.eye(4)
    centred[:3, 3] = -(np.array(SHAPE) - 1) / 2  # all that an Analyze file says
    again = to_standard_space(scan_of(np.ascontiguousarray(turned), centred))
    np.testing.assert_allclose(again.scan.voxels, standard.scan.voxels, atol=1e-3)
    assert any(said in warning for warning in again.scan.warnings)


def test_slices_lie_as_the_networks_expect_them(standard: StandardHead) -> None:
    low, high = axial_slices(standard, np.array([-3.0, 28.0]))
    assert low.voxels.shape == (208, 176)
    assert low.orientation == "AL"
    index = round(28 - ORIGIN_MM[2])
    np.testing.assert_array_equal(high.voxels[0], standard.scan.voxels[::-1, 0, index])
    np.testing.assert_array_equal(high.voxels[:, 0], standard.scan.voxels[-1, :, index])


def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(100, 30, (150, 160, 150))


def knee() -> np.ndarray:
    """Two bones with a joint between them, muscle around, air outside."""
    rng = np.random.default_rng(1)
    x, y, z = np.meshgrid(*[np.linspace(-90, 90, 180)] * 3, indexing="ij")
    radius = np.hypot(x, y)
    joint = np.where(radius < 60, 600, 0) + np.where((np.hypot(x - 5, y - 5) < 25) & (abs(z) > 4), 300, 0)
    joint = joint - np.where(abs(radius - 60) < 3, 200, 0) - np.where((abs(z) < 3) & (radius < 40), 400, 0)
    return np.clip(joint + gaussian_filter(rng.normal(size=x.shape), 3) * 800, 0, None) + rng.normal(0, 20, x.shape)


def t2_head() -> np.ndarray:
    """A head whose fluid is bright and whose white matter is dark."""
    t1 = heads.head(skull=True)
    return np.where(t1 > 0, 1100 - 1000 * t1, 0) + np.random.default_rng(2).normal(0, 20, t1.shape)


@pytest.mark.slow  # twenty seconds each; reading a volume of noise is refused in tests/workflows/test_predict.py
@pytest.mark.parametrize("make", [noise, knee, t2_head])
def test_anything_but_a_t1_head_is_rejected_and_gives_no_slices(make: Callable[[], np.ndarray]) -> None:
    head = to_standard_space(scan_of(make(), np.eye(4)))
    assert head.quality.verdict == "failed"
    assert "T1 scan of a head" in head.quality.sentences[0]
    with pytest.raises(NoHead, match="T1 scan"):
        axial_slices(head, np.array([0.0]))


FEW = np.random.default_rng(0).random((40, 48, 44))
HERE, FAR = np.diag([4.0, 4, 4, 1]), np.array([[4.0, 0, 0, 1e15], [0, 4, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize(
    ("voxels", "affine", "said"),
    [
        *((np.full_like(FEW, value), HERE, "nearly the same value") for value in (0, 5, -5, 1e-44, 1e29)),
        (1e8 + FEW, HERE, "nearly the same value"),
        (1 + 1e-7 * (FEW > 0.5), HERE, "nearly the same value"),
        *((FEW, np.diag([side, side, side, 1]), "as no head does") for side in (1e-6, 1e-3, 0.05, 1e3, 1e30)),
        (FEW, FAR, "1e\\+15 mm from the origin"),
    ],
)
def test_volumes_that_can_hold_no_head_are_refused_in_one_line(
    voxels: np.ndarray, affine: np.ndarray, said: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(NoHead, match=said):
            to_standard_space(scan_of(voxels, affine))


@pytest.mark.slow  # fifteen seconds
@pytest.mark.parametrize("affine", [np.diag([50.0, 0.06, 4, 1]), np.diag([0.001, 4, 4, 1])])
def test_voxels_of_any_shape_are_judged(affine: np.ndarray) -> None:
    assert to_standard_space(scan_of(FEW, affine)).quality.verdict == "failed"


def test_values_of_any_size_give_the_same_head(standard: StandardHead) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        large, small = (
            to_standard_space(scan_of(np.ldexp(standard.scan.voxels, exponent), AFFINE)) for exponent in (80, -80)
        )
    assert large.quality.verdict == small.quality.verdict == "good"
    np.testing.assert_array_equal(large.scan.voxels, small.scan.voxels)
    np.testing.assert_allclose(large.scan.voxels, standard.scan.voxels, atol=20)


def test_a_single_slice_cannot_be_brought_into_standard_space() -> None:
    with pytest.raises(ScanError, match="whole volume"):
        to_standard_space(Scan(np.zeros((20, 20), np.float32), (0, 1), "scan-0", "made"))


def test_a_sheared_volume_is_straightened_before_it_is_registered() -> None:
    from core.scans.registration.standard_space import _right_angled

    ready = template()
    sheared = ready.affine.copy()
    sheared[1, 2] = 0.2  # a tilted gantry
    straight, affine = _right_angled(ready.brain, sheared)
    index = np.array([100, 120, 90])
    point = sheared[:3, :3] @ index + sheared[:3, 3]
    found = np.round(np.linalg.inv(affine)[:3, :3] @ (point - affine[:3, 3])).astype(int)
    around = tuple(slice(side - 1, side + 2) for side in found)
    assert straight[around].min() - 0.05 <= ready.brain[tuple(index)] <= straight[around].max() + 0.05


def test_left_is_on_the_same_side_in_every_view() -> None:
    marked = np.zeros((40, 50, 30), np.uint8)
    marked[5:9, 30:34, 20:24] = 255  # low x: the patient's left; high y: front; high z: up
    axial = plane_picture(marked, "axial", 22)
    coronal = plane_picture(marked, "coronal", 32)
    sagittal = plane_picture(marked, "sagittal", 6)
    rows, columns = np.nonzero(axial)
    assert columns.min() > 20  # the patient's left is on the right of the picture
    assert rows.max() < 25  # and the front at its top
    rows, columns = np.nonzero(coronal)
    assert columns.min() > 20
    assert rows.max() < 15
    rows, columns = np.nonzero(sagittal)
    assert columns.max() < 25  # the front is on the left
    assert rows.max() < 15


@pytest.mark.parametrize("axes", ["PL", "PR", "AL", "AR", "LP", "RA"])
def test_an_axial_image_of_any_orientation_is_turned_for_the_network_and_upright_for_people(axes: str) -> None:
    picture = np.zeros((40, 40), np.float32)
    rows, columns = np.mgrid[:40, :40]
    where = dict(zip(axes, (rows, columns), strict=True))
    anterior = where["A"] if "A" in where else 39 - where["P"]
    left = where["L"] if "L" in where else 39 - where["R"]
    picture[(anterior > 30) & (left > 30)] = 200  # front left
    scan = Scan(picture, (0, 255), "scan-0", "synthetic", spacing_mm=(1.0, 1.0), orientation=axes)
    turned = as_network_slice(scan)
    assert turned.orientation == "AL"
    assert turned.voxels[35, 35] == 200
    assert upright(turned.picture(), "AL")[4, 35] == 200
    assert upright(scan.picture(), axes)[4, 35] == 200
