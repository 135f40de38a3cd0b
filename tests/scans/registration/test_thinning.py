"""Very large volumes are aligned from fewer voxels, which lie where theirs did."""

import numpy as np
import pytest

from core.scans.registration import thinning
from core.scans.registration.thinning import thinned


def ramp(shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    """A volume whose values are a linear function of the place in mm."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    places = index @ affine[:3, :3].T + affine[:3, 3]
    return (places @ (1.0, 10.0, 100.0)).astype(np.float32)


def test_ordinary_volumes_and_large_voxels_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    voxels = np.zeros((20, 20, 20), np.float32)
    assert thinned(voxels, np.diag([0.5, 0.5, 0.5, 1.0]))[0] is voxels
    monkeypatch.setattr(thinning, "MOST_VOXELS", 100)
    assert thinned(voxels, np.eye(4))[0] is voxels


@pytest.mark.parametrize("turned", [False, True])
def test_an_average_lies_in_the_middle_of_its_voxels_along_fine_axes_alone(
    monkeypatch: pytest.MonkeyPatch, turned: bool
) -> None:
    monkeypatch.setattr(thinning, "MOST_VOXELS", 500)
    affine = np.array([[0.4, 0, 0.1, -7], [0, 0.6, 0, 3], [-0.05, 0, 1.2, 20], [0, 0, 0, 1]])
    if turned:
        affine[:3, :2] = affine[:3, 1::-1]
    voxels = ramp((21, 22, 6), affine)
    few, wider = thinned(voxels, affine)
    assert few.shape == ((10, 5, 6) if turned else (5, 11, 6))  # 0.4 mm is halved twice, 0.6 mm once, 1.2 mm never
    np.testing.assert_allclose(few, ramp(few.shape, wider), atol=1e-2)
    assert few.dtype == np.float32
