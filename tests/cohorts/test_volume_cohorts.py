import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from core.cohorts import audit_folder, index_folder, index_volumes, split_by_subject
from core.cohorts import volumes_from_slices as stack
from core.cohorts.download import download
from core.cohorts.preprocess import preprocess, stacked
from core.errors import CohortError
from core.scans import read_scan_file
from core.scans.registration.standard_space import TRAINED_HEIGHTS_MM, brain_mask, matched_intensities, resampled
from core.scans.registration.template import ICBM_TO_TALAIRACH, template
from core.scans.writing import write_nifti

from ..conftest import SAMPLES, audited
from ..scans import volumes

RATINGS = {"OAS1_0001_MR1": "0", "OAS1_0002_MR1": "0.5", "OAS1_0003_MR1": "", "OAS1_0004_MR1": "1", "OAS1_0004_MR2": ""}


def oasis(folder: Path, *, as_table: bool, processed: bool = True) -> Path:
    """Lay out OASIS-1 as its discs come, with ratings in the table or in each session's text file."""
    for number, (session, rating) in enumerate(RATINGS.items()):
        index = folder / f"disc{1 + number // 3}" / session
        images = index / ("PROCESSED/MPRAGE/T88_111" if processed else "RAW")
        images.mkdir(parents=True)
        name = f"{session}_mpr_n4_anon_111_t88_masked_gfc" if processed else f"{session}_mpr-1_anon"
        for file, data in volumes.analyze().items():
            (images / f"{name}{Path(file).suffix}").write_bytes(data)
        if not as_table:
            (index / f"{session}.txt").write_text(
                f"SESSION ID:   {session}\nAGE:          70\nCDR:          {rating}\n"
            )
    if as_table:
        table = pd.DataFrame({"ID": list(RATINGS), "M/F": "F", "CDR": list(RATINGS.values())})
        table.to_csv(folder / "oasis_cross-sectional.csv", index=False)
    return folder


@pytest.mark.parametrize("processed", [True, False])
@pytest.mark.parametrize("as_table", [True, False])
def test_oasis_discs_give_their_sessions_people_and_stages(tmp_path: Path, as_table: bool, processed: bool) -> None:
    table, without_class = index_volumes(oasis(tmp_path / "oasis", as_table=as_table, processed=processed))
    assert without_class == 2
    assert list(zip(table["subject"], table["session"], table["label"], strict=True)) == [
        ("OAS1_0001", "MR1", "Non Demented"),
        ("OAS1_0002", "MR1", "Very Mild Demented"),
        ("OAS1_0004", "MR1", "Mild Demented"),
    ]
    assert all(read_scan_file(path).voxels.shape == volumes.SHAPE for path in table["path"])


def test_repeat_sessions_of_one_person_have_one_subject(tmp_path: Path) -> None:
    folder = oasis(tmp_path, as_table=True)
    table = pd.read_csv(folder / "oasis_cross-sectional.csv", dtype=str)
    table.loc[table["ID"] == "OAS1_0004_MR2", "CDR"] = "1"
    table.to_csv(folder / "oasis_cross-sectional.csv", index=False)
    found, _ = index_volumes(folder)
    assert (found["subject"] == "OAS1_0004").sum() == 2


def test_bids_takes_classes_from_participants_and_sessions(tmp_path: Path) -> None:
    (tmp_path / "dataset_description.json").write_text("{}")
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tage\tcdr\nsub-01\t70\t0\nsub-02\t71\tn/a\nsub-03\t72\t2\n"
    )
    for path in ("sub-01/anat/sub-01_T1w.nii", "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii", "sub-03/anat/sub-03_T1w.nii"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_bytes(volumes.nifti())
    table, without_class = index_volumes(tmp_path)
    assert without_class == 1
    assert list(table["label"]) == ["Non Demented", "Moderate Demented"]
    (tmp_path / "sub-02/sub-02_sessions.tsv").write_text("session_id\tcdr\nses-a\t0.5\n")
    table, without_class = index_volumes(tmp_path)
    assert (without_class, list(table["label"])[1]) == (0, "Very Mild Demented")


def test_a_table_names_files_classes_and_people(tmp_path: Path) -> None:
    for name in ("a.nii", "b.nii"):
        (tmp_path / name).write_bytes(volumes.nifti())
    (tmp_path / "people.csv").write_text("file,diagnosis,subject\na.nii,AD,p1\nb.nii,CN,p2\n")
    table, _ = index_volumes(tmp_path)
    assert list(zip(table["subject"], table["label"], strict=True)) == [("p1", "AD"), ("p2", "CN")]


def test_a_table_that_points_outside_its_folder_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(volumes.nifti())
    (tmp_path / "people.csv").write_text("file,diagnosis\n../../etc/passwd,AD\n")
    with pytest.raises(CohortError, match="not a file in"):
        index_volumes(tmp_path)


def test_a_folder_of_volumes_is_not_taken_for_slices(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="preprocess first"):
        index_folder(oasis(tmp_path, as_table=True))


def standard_brain() -> np.ndarray:
    ready = template()
    from core.scans.registration.standard_space import AFFINE

    seen = resampled(ready.brain, np.linalg.inv(ready.affine) @ np.linalg.inv(ICBM_TO_TALAIRACH) @ AFFINE)
    return matched_intensities(np.where(brain_mask(), seen, np.float32(0)))


@pytest.fixture(scope="module")
def class_folders_of_volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people in standard space, two per class, and one file that is not a scan."""
    from core.scans.registration.standard_space import AFFINE

    folder, brain = tmp_path_factory.mktemp("volumes"), standard_brain()
    for number in range(6):
        class_folder = folder / ("NonDemented", "VeryMildDemented", "MildDemented")[number % 3]
        class_folder.mkdir(exist_ok=True)
        voxels = np.clip(brain + 2 * number * (brain > 0), 0, 255).astype(np.uint8)
        write_nifti(class_folder / f"person{number}.nii.gz", voxels, AFFINE)
    (folder / "MildDemented" / "broken.nii.gz").write_bytes(b"\x1f\x8bnothing")
    return folder


def test_preprocess_writes_slices_a_manifest_and_goes_on_where_it_stopped(
    class_folders_of_volumes: Path, tmp_path: Path
) -> None:
    first = preprocess(class_folders_of_volumes, tmp_path / "out")
    assert len(first.manifest) == 6 * 20
    assert list(first.left_out["source"]) == ["MildDemented/broken.nii.gz"]
    assert first.resumed == 0
    heights = sorted(set(first.manifest["height_mm"]))
    assert (heights[0], heights[-1]) == TRAINED_HEIGHTS_MM
    picture = read_scan_file(tmp_path / "out" / first.manifest["path"][0])
    assert picture.voxels.shape == (208, 176)
    (tmp_path / "out" / first.manifest["path"][0]).unlink()
    second = preprocess(class_folders_of_volumes, tmp_path / "out")
    assert second.resumed == 5
    assert len(second.manifest) == 6 * 20
    assert all((tmp_path / "out" / path).is_file() for path in second.manifest["path"])


def test_preprocess_leaves_out_a_volume_that_is_empty_and_goes_on(tmp_path: Path) -> None:
    from core.scans.registration.standard_space import AFFINE

    brain = standard_brain().astype(np.uint8)
    for number, (name, voxels) in enumerate((("empty", np.full_like(brain, 7)), ("whole", brain))):
        folder = tmp_path / "cohort" / ("MildDemented", "NonDemented")[number]
        folder.mkdir(parents=True)
        write_nifti(folder / f"{name}.nii.gz", voxels, AFFINE)
    made = preprocess(tmp_path / "cohort", tmp_path / "out")
    assert set(made.manifest["source"]) == {"NonDemented/whole.nii.gz"}
    assert made.left_out["source"].tolist() == ["MildDemented/empty.nii.gz"]
    assert "nearly the same value" in made.left_out["reason"][0]


@pytest.mark.slow
def test_preprocess_makes_anew_what_has_changed_and_refuses_other_settings_and_volumes_that_are_gone(
    class_folders_of_volumes: Path, tmp_path: Path
) -> None:
    shutil.copytree(class_folders_of_volumes, tmp_path / "in")
    first = preprocess(tmp_path / "in", tmp_path / "out", slices=2)
    with pytest.raises(CohortError, match="made with slices 2, bias_correction True, and now"):
        preprocess(tmp_path / "in", tmp_path / "out", slices=2, bias_correction=False)
    with pytest.raises(CohortError, match="now slices None, bias_correction True is asked for; give a new folder"):
        preprocess(tmp_path / "in", tmp_path / "out", slices=None)
    one, other = first.manifest["source"].drop_duplicates()[:2]
    (tmp_path / "in" / one).write_bytes((tmp_path / "in" / other).read_bytes())  # another volume of the same name
    second = preprocess(tmp_path / "in", tmp_path / "out", slices=2)
    assert second.resumed == 5
    assert len(second.manifest) == 6 * 2
    made = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert made == set(second.manifest["path"])
    assert second.manifest.loc[second.manifest["source"].isin([one, other]), "digest"].nunique() == 1
    (tmp_path / "in" / other).unlink()
    with pytest.raises(CohortError, match=f"made of {other}, not in .* now; give a new folder"):
        preprocess(tmp_path / "in", tmp_path / "out", slices=2)
    assert {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")} == made


def test_what_preprocess_wrote_is_audited_and_split_by_the_people_of_its_manifest(
    class_folders_of_volumes: Path, tmp_path: Path
) -> None:
    preprocess(class_folders_of_volumes, tmp_path / "out", slices=4)
    audit = audit_folder(tmp_path / "out")
    assert audit.named
    assert audit.as_dict()["people"] == 6
    assert sorted(audit.table["slice"].unique()) == [1, 2, 3, 4]
    parts = split_by_subject(audit.table, seed=1)
    assert (parts.groupby("subject")["part"].nunique() == 1).all()


def test_preprocess_writes_cubes(class_folders_of_volumes: Path, tmp_path: Path) -> None:
    made = preprocess(class_folders_of_volumes, tmp_path / "out", slices=None)
    cube = read_scan_file(tmp_path / "out" / made.manifest["path"][0])
    assert cube.voxels.shape == (128, 128, 128)
    assert cube.spacing_mm == pytest.approx((1.625,) * 3)
    assert len(made.manifest) == 6


def test_preprocess_writes_into_no_folder_of_something_else(class_folders_of_volumes: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(CohortError, match="something else"):
        preprocess(class_folders_of_volumes, tmp_path)


def test_stacked_slices_know_their_spacing_their_height_and_their_sides() -> None:
    slices = np.zeros((32, 128, 128), np.uint8)
    slices[31, 0, 0] = 7  # highest, back, the patient's right
    voxels, affine = stacked(slices)
    assert voxels.shape == (128, 128, 32)
    assert voxels[127, 0, 31] == 7
    np.testing.assert_allclose(np.diag(affine)[:3], [176 / 128, 208 / 128, 1])
    np.testing.assert_allclose((affine @ [127, 0, 31, 1])[2], 28)


@pytest.mark.slow
def test_the_real_slices_become_200_volumes(alzheimer_data: Path, tmp_path: Path) -> None:
    audit = audited(alzheimer_data / "alzheimer_mri")
    made = stack(audit, tmp_path / "volumes")
    assert made["label"].value_counts().to_dict() == {
        "Non Demented": 100,
        "Very Mild Demented": 70,
        "Mild Demented": 28,
        "Moderate Demented": 2,
    }
    row = made.iloc[0]
    volume = read_scan_file(tmp_path / "volumes" / row["path"])
    assert volume.voxels.shape == (128, 128, 32)
    slices = audit.table[audit.table["subject"] == row["subject"]].sort_values("slice")
    lowest = cv2.imread(slices["path"].iloc[0], cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(volume.voxels[::-1, :, 0].T, lowest)


def test_volumes_are_not_made_where_people_are_not_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in ("NonDemented", "MildDemented"):
        (tmp_path / "noise" / label).mkdir(parents=True)
        for number in range(12):
            picture = rng.integers(0, 255, (40, 40)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / "noise" / label / f"{number}.png"), picture)
    with pytest.raises(CohortError, match="people and order were found"):
        stack(audit_folder(tmp_path / "noise"), tmp_path / "volumes")


def fetched(handle: str, out: Path) -> str:
    for label, count in {"Non_Demented": 3, "Very_Mild_Demented": 2}.items():
        (out / "Dataset" / label).mkdir(parents=True)
        for number in range(count):
            (out / "Dataset" / label / f"{number}.jpg").write_bytes(b"x")
    return handle


def test_a_download_is_counted_and_a_changed_set_is_noticed(tmp_path: Path) -> None:
    got = download("alzheimer", tmp_path / "data", fetch=fetched)
    assert got.folder == tmp_path / "data" / "Dataset"
    assert got.counts["Non Demented"] == 3
    assert not got.as_known


def test_without_kaggle_one_line_says_where_to_get_the_set_by_hand(tmp_path: Path) -> None:
    def offline(handle: str, out: Path) -> str:
        raise ConnectionError("no route to host\nand a second line")

    with pytest.raises(CohortError) as rejected:
        download("tumour", tmp_path / "data", fetch=offline)
    sentence = str(rejected.value)
    assert "https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset" in sentence
    assert "\n" not in sentence


KNOWN_SETS = (
    ("alzheimer", "alzheimer_mri_176x208"), ("alzheimer-squeezed", "alzheimer_mri"), ("tumour", "brain_tumor_mri")
)  # fmt: skip


def test_the_known_counts_are_those_of_the_real_sets(alzheimer_data: Path) -> None:
    def never(handle: str, out: Path) -> str:
        raise AssertionError("it lies there already")

    for name, folder in KNOWN_SETS:
        assert download(name, alzheimer_data / folder, fetch=never).as_known


def test_a_volume_among_slices_is_unreadable_to_the_audit_and_says_what_to_do(
    slice_cohort: Path, tmp_path: Path
) -> None:

    shutil.copytree(slice_cohort, tmp_path / "heads")
    (tmp_path / "heads" / "NonDemented" / "volume.nii").write_bytes(volumes.nifti())
    unreadable = audit_folder(tmp_path / "heads").unreadable
    assert list(unreadable["reason"]) == [
        "volume.nii: this is a volume, but a slice is needed; cut it into slices with preprocess."
    ]


def two_heads(folder: Path, *subjects: str) -> Path:
    """A cohort of one head twice, at two levels of brightness, with a table of subjects."""
    folder.mkdir()
    head = read_scan_file(SAMPLES / "icbm_volume.nii.gz")
    for number, _ in enumerate(subjects, start=1):
        write_nifti(folder / f"s{number}.nii.gz", head.voxels * number, head.affine)
    rows = "".join(f"s{number}.nii.gz,{name},Non Demented\n" for number, name in enumerate(subjects, start=1))
    (folder / "people.csv").write_text(f"path,subject,diagnosis\n{rows}")
    return folder


def test_no_person_s_files_take_the_place_of_another_s(tmp_path: Path) -> None:
    made = preprocess(two_heads(tmp_path / "in", "A 1", "A_1"), tmp_path / "out", slices=2, bias_correction=False)
    assert made.manifest["path"].nunique() == 4
    assert all((tmp_path / "out" / path).is_file() for path in made.manifest["path"])
    again = preprocess(tmp_path / "in", tmp_path / "out", slices=2, bias_correction=False)
    assert again.resumed == 2


def test_a_volume_that_cannot_be_opened_is_left_out_and_the_others_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(path: Path) -> bytes:
        if path.name == "s1.nii.gz":
            raise PermissionError(13, "Permission denied", str(path))
        return path.read_bytes()

    cohort = two_heads(tmp_path / "in", "A", "B")
    for place in ("core.cohorts.preprocess.read_file", "core.scans.reading.read_file"):
        monkeypatch.setattr(place, closed)
    made = preprocess(cohort, tmp_path / "out", slices=2, bias_correction=False)
    assert set(made.manifest["subject"]) == {"B"}
    assert made.left_out["source"].tolist() == ["s1.nii.gz"]
    assert "Permission denied" in made.left_out["reason"].iloc[0]
