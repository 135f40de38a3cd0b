from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import distance_transform_cdt

from core.cohorts import audit_folder
from core.cohorts.synthetic.cohort import CHANGES, synthetic_slices, write_synthetic_cohort
from core.cohorts.tasks import SYNTHETIC
from core.errors import CohortError
from core.scans.registration.atlas import BACK_MM, REGIONS, network_slice, regions
from core.scans.registration.standard_space import ORIGIN_MM


@pytest.mark.parametrize("kind", CHANGES)
def test_the_truth_is_where_the_change_was_made_and_nowhere_else(kind: str) -> None:
    unchanged, changed = [], []
    for one in synthetic_slices(kind, 2):
        (changed if one.label == SYNTHETIC.classes[1] else unchanged).append(one)
    assert len(unchanged) == len(changed) == len(CHANGES[kind].heights_mm)
    assert not any(one.truth.any() for one in unchanged)
    for one in changed:
        assert 50 < one.truth.sum() < one.truth.size / 4
        if kind == "shortcut":
            assert one.truth[:18, :18].sum() == one.truth.sum()
            continue
        # Every changed pixel lies within reach of the region whose wall was moved.
        labels = network_slice(regions(), one.height_mm)
        names = {"cortex": "white matter", "hippocampus": "medial temporal", "surface": REGIONS[0]}
        start = names.get(kind, kind)
        near = np.isin(labels, [index for index, name in enumerate(REGIONS) if name.startswith(start)])
        away = distance_transform_cdt(~near, metric="taxicab")
        assert np.percentile(away[one.truth], 95) < 25


def test_the_cortex_thins_at_the_back_and_its_surface_stays() -> None:
    before, after = (
        next(one for one in synthetic_slices("cortex", 2, millimetres=mm) if one.person == 1) for mm in (0.0, 2.0)
    )
    assert np.percentile(np.nonzero(after.truth)[0], 95) < BACK_MM - ORIGIN_MM[1] + 8  # people differ by some mm
    np.testing.assert_array_equal(before.grey > 0, after.grey > 0)
    assert after.grey[after.truth].astype(int).mean() > before.grey[after.truth].astype(int).mean()  # white for grey


def test_larger_changes_change_more() -> None:
    changed = [
        sum(one.truth.sum() for one in synthetic_slices("ventricles", 2, millimetres=mm)) for mm in (0.0, 1.5, 4.5)
    ]
    assert changed[0] == 0
    assert 0 < changed[1] < changed[2]


def test_a_seed_repeats_and_people_differ() -> None:
    first, again, other = ([one.grey for one in synthetic_slices("cortex", 2, seed=seed)] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first[0].astype(int) - other[0]).mean() > 2
    assert np.abs(first[0].astype(int) - first[4]).mean() > 2


def test_the_written_cohort_is_one_that_the_audit_reads(tmp_path: Path) -> None:
    table = write_synthetic_cohort(tmp_path / "known", "ventricles", 6)
    audit = audit_folder(tmp_path / "known" / "scans")
    assert len(audit.table) == len(table) == 24
    assert audit.table["subject"].nunique() == 6
    assert set(audit.table["label"]) == set(SYNTHETIC.classes)
    assert all((tmp_path / "known" / name).is_file() for name in (*table["path"], *table["truth"]))


def test_an_unknown_change_lists_the_known() -> None:
    with pytest.raises(CohortError, match="no change 'thalamus'; known are ventricles, cortex"):
        next(synthetic_slices("thalamus", 2))
