from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cohorts import audit_folder, split_by_subject, subject_overlap, volumes_from_slices
from core.cohorts.covariates import covariates_of, read_subjects
from core.cohorts.synthetic.stages import HEIGHTS_MM, STAGES, draw_subject, subject_slices, synthetic_subjects
from core.errors import CohortError
from core.networks.recipe_files import read_recipe
from core.reporting.text.card_data import origin_of
from core.scans import read_scan_file
from core.scans.registration.standard_space import axial_slices, to_standard_space
from core.workflows.sample_cohort import SYNTHETIC_NOTICE, SampleCohort, write_sample_cohort
from core.workflows.train import Request, train_bundle

PEOPLE = 24


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleCohort:
    return write_sample_cohort(tmp_path_factory.mktemp("sample") / "cohort", people=PEOPLE)


@pytest.mark.slow
def test_the_audit_finds_exactly_the_people_from_the_images_alone(sample: SampleCohort) -> None:
    found = audit_folder(sample.folder / "slices")
    assert found.people.found
    assert not found.named
    named = found.table.assign(path=[Path(path).relative_to(sample.folder / "slices").as_posix()
                                     for path in found.table["path"]])  # fmt: skip
    both = named.merge(sample.subjects, on="path", suffixes=("_found", "_true"))
    assert len(both) == 8 * PEOPLE
    assert both.groupby("subject_found")["subject_true"].nunique().eq(1).all()
    assert both.groupby("subject_true")["subject_found"].nunique().eq(1).all()
    heights = both.sort_values(["subject_true", "slice"]).groupby("subject_true")["height_mm"]
    assert heights.apply(lambda one: one.is_monotonic_increasing or one.is_monotonic_decreasing).all()
    assert subject_overlap(split_by_subject(found.table, seed=1)).overlap == 0  # type: ignore[union-attr]


@pytest.mark.slow
def test_stages_are_counted_and_said_and_everybody_has_an_age(sample: SampleCohort) -> None:
    assert sample.by_class == {"Non Demented": 12, "Very Mild Demented": 7, "Mild Demented": 5}
    known = read_subjects(sample.folder / "subjects.csv")
    paths = sorted(str(path) for path in (sample.folder / "slices").glob("*/*.png"))
    covariates = covariates_of(known, paths, [""] * len(paths))
    assert covariates["age"].between(55, 92).all()
    assert set(covariates["sex"]) == {"F", "M"}
    assert (sample.folder / "README.txt").read_text(encoding="utf-8").startswith("Synthetic: ")
    assert origin_of(paths) == SYNTHETIC_NOTICE
    assert read_scan_file(sample.volume).voxels.ndim == 3


@pytest.mark.slow
def test_slices_whose_heights_are_not_known_make_no_volumes(sample: SampleCohort, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"has 8 slices; the heights of slices are known .* has 32 of each person"):
        volumes_from_slices(audit_folder(sample.folder / "slices"), tmp_path / "volumes")
    assert not (tmp_path / "volumes").exists()


@pytest.mark.slow
def test_the_volume_is_read_as_the_slices_of_its_person_would_be(sample: SampleCohort) -> None:
    head = to_standard_space(read_scan_file(sample.volume))
    assert (head.registered, head.quality.verdict) == (False, "good")
    expected = tuple(subject_slices(draw_subject(PEOPLE + 1, STAGES[-1], seed=1)))
    for scan, grey in zip(axial_slices(head, np.array(HEIGHTS_MM)), expected, strict=True):
        assert np.abs(scan.grey() - grey)[grey > 0].mean() < 5  # the noise of two scans


def test_a_seed_repeats_and_later_stages_have_less_brain() -> None:
    first, again, other = (synthetic_subjects(40, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    (once,), (twice,) = (tuple(subject_slices(one[0], (12.0,))) for one in (first, again))
    np.testing.assert_array_equal(once, twice)
    moved = pd.Series([one.ventricle_mm for one in first]).groupby([one.label for one in first]).mean()
    assert moved[STAGES[0].label] < moved[STAGES[1].label] < moved[STAGES[2].label]


def test_a_folder_with_something_in_it_and_a_handful_of_people_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(CohortError, match="is not empty; give a new folder"):
        write_sample_cohort(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "kept"
    with pytest.raises(CohortError, match=r"at least 20 people\. Received: 5"):
        write_sample_cohort(tmp_path / "few", people=5)
    assert not (tmp_path / "few").exists()


@pytest.mark.slow
def test_the_small_recipe_learns_a_little_of_it(sample: SampleCohort, tmp_path: Path) -> None:
    split_by_subject(audit_folder(sample.folder / "slices").table, seed=1).to_csv(tmp_path / "split.csv", index=False)
    request = Request(read_recipe("sample_small"), tmp_path / "split.csv", tmp_path / "run")
    bundle = train_bundle(request)
    assert bundle.card.by_slice["auc"].value > 0.6
