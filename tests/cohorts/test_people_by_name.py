"""Whose file it is: by the names of the public sets, a pattern, or a table of ids; loudly where nobody says."""

from pathlib import Path

import pandas as pd
import pytest

from core.cohorts import audit_folder, index_volumes, split_by_subject, volume_table
from core.cohorts.names.people import Naming, named_people, notes_on
from core.cohorts.plan import files_of, named_audit, plan_split
from core.errors import CohortError

from ..conftest import write_heads


@pytest.mark.parametrize(
    ("first", "second", "subject"),
    [
        ("AD/OAS1_0061_MR1.nii.gz", "AD/OAS1_0061_MR2.nii.gz", "OAS1_0061"),
        ("AD/oas2_0001_mr1_mpr-1_100.jpg", "CN/OAS2_0001_MR2_mpr-1_100.jpg", "OAS2_0001"),
        ("OAS30001_MR_d0129.nii", "OAS30001_MR_d2430.nii", "OAS30001"),
        ("sub-01_ses-01_T1w.nii.gz", "sub-01_ses-02_T1w.nii.gz", "sub-01"),
        ("AD/sub-01/ses-01/anat.nii", "AD/sub-01/ses-02/anat.nii", "sub-01"),
        ("ADNI_002_S_0816_MR_MPR_Br_2007_S1_I2.nii", "ADNI_002_S_0816_MR_MPR_Br_2009_S3_I4.nii", "002_S_0816"),
        ("002_S_0816-a.png", "x/002_s_0816-b.png", "002_S_0816"),
        ("AIBL_7_MR_MPRAGE_I1.nii", "AIBL_7_MR_MPRAGE_I2.nii", "AIBL_7"),
        ("miriad_188_AD_M_01_MR_1.nii", "miriad_188_AD_M_02_MR_1.nii", "miriad_188"),
        ("TCGA_CS_4941_19960909_1.tif", "TCGA_CS_4941_19970101_9.tif", "TCGA_CS_4941"),
        ("BraTS-GLI-00005-000-t1n.nii", "BraTS-GLI-00005-001-t1n.nii", "BRATS-GLI-00005"),
    ],
)
def test_two_visits_of_one_person_are_one_person(first: str, second: str, subject: str) -> None:
    paths = [f"/c/{first}", f"/c/{second}"]
    named = named_people(paths, Path("/c"))
    assert named.subjects == (subject, subject)


@pytest.mark.parametrize(
    "name", ["person7.nii", "scan_0001.png", "Mild/mild_10.jpg", "sub_cortical.nii", "IMG_2_S_1.png"]
)
def test_other_names_name_nobody(name: str) -> None:
    assert named_people([f"/c/{name}"], Path("/c")).subjects == ("",)


def volumes(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes([number]))
    return folder


VISITS = tuple(
    f"{label}/OAS1_{person:04d}_MR{visit}.nii" for person, label in enumerate(("AD", "CN") * 6) for visit in (1, 2)
)


def test_no_person_with_two_visits_is_torn_by_a_split_of_volumes(tmp_path: Path) -> None:
    table = volume_table(volumes(tmp_path, *VISITS))
    split = split_by_subject(table, seed=1)
    assert split["subject"].nunique() == 12
    assert (split.groupby("subject")["part"].nunique() == 1).all()
    files = files_of(tmp_path)
    assert files.notes == ("People as the files' names say: OASIS.",)


def test_where_nothing_names_people_every_file_is_one_and_it_is_said(tmp_path: Path) -> None:
    table, _ = index_volumes(volumes(tmp_path, "AD/1.nii", "CN/1.nii", "CN/2.nii"))
    assert table["subject"].tolist() == ["AD_1", "CN_1", "2"]  # two files of one name are two people
    (note,) = notes_on(table)
    assert "every file is taken for one person" in note
    assert "--subject-pattern" in note


def test_a_pattern_names_people_and_visits(tmp_path: Path) -> None:
    folder = volumes(tmp_path, "AD/p1-a.nii", "AD/p1-b.nii", "CN/p2-a.nii")
    table, _ = index_volumes(folder, Naming(r"(?P<subject>p\d)-(?P<session>\w)"))
    assert list(zip(table["subject"], table["session"], strict=True)) == [("p1", "a"), ("p1", "b"), ("p2", "a")]
    assert notes_on(table) == ()
    for pattern, message in (
        ("(", "no regular expression"),
        ("p1", "needs a group"),
        ("(?P<subject>p1)", "1 of 3 files"),
    ):
        with pytest.raises(CohortError, match=message):
            index_volumes(folder, Naming(pattern))


def test_a_table_of_ids_names_people_by_the_end_of_their_paths(tmp_path: Path) -> None:
    folder = volumes(tmp_path / "c", "AD/1.nii", "AD/2.nii", "CN/1.nii")
    ids = tmp_path / "ids.csv"
    ids.write_text("PTID;File\nA;AD/1.nii\nA;2.nii\nB;CN/1.nii\n")
    table, _ = index_volumes(folder, Naming(table=ids))
    assert table["subject"].tolist() == ["A", "A", "B"]
    assert table["session"].tolist() == ["", "scan2", ""]  # files are named after person and visit
    for text, message in (
        ("subject,path\nA,AD/1.nii\n", "names nobody for 2 of 3 files, the first 2.nii"),
        ("subject,path\nA,1.nii\nB,2.nii\n", "line 2: 2 files are called so"),
        ("who,path\nA,1.nii\n", "no column for the subject. Received: who, path"),
    ):
        ids.write_text(text)
        with pytest.raises(CohortError, match=message):
            index_volumes(folder, Naming(table=ids))
    with pytest.raises(CohortError, match="give one of"):
        index_volumes(folder, Naming("(?P<subject>.)", ids))


def test_slices_whose_names_name_people_are_split_by_them(tmp_path: Path) -> None:
    made = write_heads(tmp_path / "c", {"round": 5, "flat": 5}, slices=3)
    for path, person, height in made[["path", "person", "height"]].itertuples(index=False):
        Path(path).rename(Path(path).with_name(f"sub-{person:02d}_ses-{height}.png"))
    found, notes = named_audit(tmp_path / "c")
    assert found.people_known
    assert notes == ("10 people, as the files' names say (BIDS).",)
    assert found.table["subject"].str.fullmatch(r"sub-\d\d").all()
    images = audit_folder(tmp_path / "c").table  # the audit itself reads no names
    assert not images["subject"].str.startswith("sub-").any()


def test_one_file_without_a_person_leaves_names_unused_and_says_so(tmp_path: Path) -> None:
    made = write_heads(tmp_path / "c", {"round": 5, "flat": 5}, slices=1)
    for path, person in made[["path", "person"]].iloc[1:].itertuples(index=False):
        Path(path).rename(Path(path).with_name(f"sub-{person:02d}.png"))
    _, (note,) = named_audit(tmp_path / "c")
    assert "9 of 10 files name a person (BIDS)" in note
    ids = pd.DataFrame({"path": [path.name for path in (tmp_path / "c").rglob("*.png")], "id": "P"})
    ids["id"] += ids.index.astype(str)
    ids.to_csv(tmp_path / "ids.csv", index=False)
    files = files_of(tmp_path / "c", Naming(table=tmp_path / "ids.csv"))
    assert files.people_known
    assert plan_split(files.table, seed=1).split["by"].eq("subject").all()


@pytest.mark.parametrize(("one", "other"), [("S001", "s001"), ("1", "001"), ("7", "7.0")])
def test_ids_that_one_person_may_be_written_with_are_refused(tmp_path: Path, one: str, other: str) -> None:
    truth = write_heads(tmp_path / "c", {"NonDemented": 3, "MildDemented": 3}, slices=4)
    truth["subject"] = [f"P{person}" for person in truth["person"]]
    truth.loc[truth["person"] == 0, "subject"] = one
    truth.loc[truth["person"] == 1, "subject"] = other
    truth[["path", "subject"]].to_csv(tmp_path / "ids.csv", index=False)
    with pytest.raises(CohortError, match=f"names {one} and {other}, which differ only in capitals"):
        named_audit(tmp_path / "c", Naming(table=tmp_path / "ids.csv"))


def test_a_line_of_ids_may_be_repeated_but_a_scan_belongs_to_one_person(tmp_path: Path) -> None:
    truth = write_heads(tmp_path / "c", {"NonDemented": 3, "MildDemented": 3}, slices=4)
    ids = truth.assign(subject=[f"P{person}" for person in truth["person"]])[["path", "subject"]]
    pd.concat([ids, ids.head(2)]).to_csv(tmp_path / "ids.csv", index=False)
    found, _ = named_audit(tmp_path / "c", Naming(table=tmp_path / "ids.csv"))
    assert found.table["subject"].nunique() == 6
    pd.concat([ids, ids.head(1).assign(subject="somebody else")]).to_csv(tmp_path / "ids.csv", index=False)
    with pytest.raises(CohortError, match=r"lines 2 and 26: one scan, named twice"):
        named_audit(tmp_path / "c", Naming(table=tmp_path / "ids.csv"))
