import numpy as np

from core.scans.registration.atlas import REGIONS, average_brain, average_slice, region_slice, regions
from core.scans.registration.standard_space import ORIGIN_MM, brain_mask


def test_regions_fill_the_brain_and_lie_on_their_sides() -> None:
    labels = regions()
    inside = labels > 0
    np.testing.assert_array_equal(inside, average_brain() > 0)
    assert brain_mask()[inside].mean() > 0.99
    right = np.arange(labels.shape[0])[:, None, None] + ORIGIN_MM[0] > 0
    for index, name in enumerate(REGIONS[1:], start=1):
        where = labels == index
        assert where.sum() > 500, name
        if "right" in name:
            assert np.broadcast_to(right, labels.shape)[where].all(), name
        if "left" in name:
            assert not np.broadcast_to(right, labels.shape)[where].any(), name


def test_ventricles_are_dark_and_white_matter_is_bright() -> None:
    brain, labels = average_brain(), regions()
    mean = {name: float(brain[labels == index].mean()) for index, name in enumerate(REGIONS)}
    assert mean["ventricles"] < mean["grey matter, left front"] < mean["white matter, left front"]


def test_a_slice_lies_as_the_networks_expect_it() -> None:
    grey, labels = average_slice(12), region_slice(12)
    assert grey.shape == labels.shape == (208, 176)
    front = np.isin(labels, [index for index, name in enumerate(REGIONS) if name.endswith("front")])
    right = np.isin(labels, [index for index, name in enumerate(REGIONS) if ", right" in name])
    assert np.nonzero(front)[0].mean() > 120  # the back of the head is at the top
    assert np.nonzero(right)[1].mean() < 88  # the patient's right is on the left
    assert 0 < grey[labels > 0].mean() < 255
