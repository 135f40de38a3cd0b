from pathlib import Path

import numpy as np
import pytest

from core.errors import BundleError
from core.networks.bundle import OOD_FILE
from core.networks.ood import OodModel, OodScore, read_ood_model, signatures, write_ood_model


def plane() -> OodModel:
    """The plane of the first two of five features: four scans of class 0 on the left, four of class 1 on the right."""
    known = np.array([[side * 10, step] for side in (-1, 1) for step in range(4)], np.float32)
    axes = np.eye(2, 5, dtype=np.float32)
    return OodModel(np.zeros(5, np.float32), axes, known, np.repeat([0, 1], 4))


def judged(feature_maps: np.ndarray, limit: float) -> OodScore:
    return plane().judged(*plane().scores(feature_maps), ("ill", "well"), limit)


def test_the_score_is_the_distance_from_the_plane() -> None:
    scan = np.array([[[[9.0, 4.0, 0, 9.0, 16.0]]]], np.float32)  # roots 3, 2, 0, 3, 4: five off the plane
    scores, along = plane().scores(scan)
    assert scores == pytest.approx([5])
    np.testing.assert_allclose(along, [[3, 2]])


def test_a_scan_is_rejected_beyond_the_limit_and_its_neighbours_are_counted() -> None:
    far = np.array([[[[81.0, 1.0, 0, 9.0, 16.0]]]], np.float32)
    ood = judged(far, 4.9)
    assert ood.rejected
    assert ood.similar == {"well": 4, "ill": 4}
    assert next(iter(ood.similar)) == "well"  # the nearest come first
    assert not judged(far, 5.1).rejected


def test_a_scan_whose_features_are_not_numbers_is_rejected() -> None:
    assert judged(np.full((1, 1, 1, 5), np.nan, np.float32), 5.0).rejected


def test_a_head_in_slices_is_judged_by_its_middle_slice() -> None:
    maps = np.zeros((3, 1, 1, 5), np.float32)
    maps[:, 0, 0, 4] = (1, 4, 10_000)
    assert judged(maps, 5.0).score == pytest.approx(2)


@pytest.mark.parametrize("size", [(3, 4), (4, 4), (7, 7), (13, 5), (4, 6, 9)])
def test_signatures_average_into_at_most_four_cells_and_keep_positions(size: tuple[int, ...]) -> None:
    maps = np.full((2, *size, 3), 4.0, np.float32)
    maps[1] = -9
    found = signatures(maps)
    assert found.shape == (2, np.prod([min(4, side) for side in size]) * 3)
    assert set(found[0]) == {2}
    assert set(found[1]) == {-3}
    one_sided = np.zeros((1, *size, 1), np.float32)
    one_sided[:, : size[0] // 2] = 1
    assert not np.allclose(signatures(one_sided), signatures(one_sided[:, ::-1]))


def test_it_survives_the_disk_and_a_damaged_one_gives_one_sentence(tmp_path: Path) -> None:
    write_ood_model(tmp_path, plane())
    back = read_ood_model(tmp_path)
    np.testing.assert_array_equal(back.known, plane().known)
    np.testing.assert_array_equal(back.labels, plane().labels)
    (tmp_path / OOD_FILE).write_bytes(b"nothing")
    with pytest.raises(BundleError, match="cannot detect out-of-distribution scans"):
        read_ood_model(tmp_path)
