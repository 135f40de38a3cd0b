"""Tables as Excel, BIDS and ADNI write them."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cohorts import index_volumes, read_split
from core.cohorts.covariates import read_subjects
from core.cohorts.manifest import COLUMNS, read_manifest
from core.errors import CohortError
from core.tables import numbers, read_table

ROWS = [["Subject", "Age", "Sex"], ["Zoë", "71,5", "F"], ["Li", "n/a", " M "], ["Ann", "68", "NA"]]
KNOWN = {"subject": (), "age": (), "sex": ()}


def text_of(delimiter: str, *, quote: bool = False) -> str:
    return "\r\n".join(delimiter.join(f'"{value}"' if quote else value for value in row) for row in ROWS) + "\r\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (text_of(";"), "utf-8"),
        (text_of("\t"), "utf-8-sig"),
        (text_of(","  , quote=True), "utf-8"),
        (text_of("|"), "cp1252"),
        (text_of(";"), "cp1252"),
        (text_of("\t"), "utf-16"),
        (text_of(";"), "utf-16-le"),
        (text_of("\t"), "utf-16-be"),
        ("sep=;\r\n" + text_of(";"), "utf-8"),
        ("\r\n" + text_of(" ; "), "utf-8"),
    ],
)  # fmt: skip
def test_every_dialect_and_encoding_is_the_same_table(text: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    table = read_table(tmp_path / "t.csv", "a table", columns=KNOWN)
    assert table.to_dict("list") == {"subject": ["Zoë", "Li", "Ann"], "age": ["71,5", "", "68"], "sex": ["F", "M", ""]}
    np.testing.assert_array_equal(numbers(table, "age", "t.csv"), [71.5, np.nan, 68])
    people = read_subjects(tmp_path / "t.csv")
    assert people["subject"].tolist() == ["Zoë", "Li", "Ann"]


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('subject,age\n\nA,70\n"B\nC",71\nD,x\n')
    table = read_table(tmp_path / "t.csv", "a table", columns=KNOWN)
    assert table.index.tolist() == [3, 5, 6]
    with pytest.raises(CohortError, match=r"t\.csv, line 6: the age 'x' is not a number"):
        numbers(table, "age", tmp_path / "t.csv")


@pytest.mark.parametrize(
    "column", ["subject", "Subject ID", "participant_id", "PTID", "RID", "ID", "patient", "Person", "PATIENT-ID"]
)
def test_people_are_found_under_the_usual_names_of_their_column(column: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{column};PTGENDER;AGE\nA;F;70\n")
    people = read_subjects(tmp_path / "t.csv")
    assert people.to_dict("list") == {"subject": ["A"], "age": [70.0], "sex": ["F"]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04rest", "Excel workbook; save it as CSV"),
        (b"subject,age\nA,70,5\n", "line 2 has 3 values where the header has 2"),
        (b"subject,age,Age\nA,1,2\n", "the column 'Age' twice"),
        (b"subject,age\n", "a header .* and no rows"),
        (b"\n\n", "it is empty"),
        (b"subject,age\nA,\x81\x00\n", "not text in UTF-8"),
        (b"subject,agee,mmse\nA,70,30\n", "Received: subject, agee, mmse. Is 'agee' the column age, misspelt"),
        (b"subject,age\nA,70\nB,-3\n", "line 3: the age -3 is impossible"),
        (b"subject,age\nA,70\nB,171\n", "line 3: the age 171 is impossible"),
        (
            b"subject,age\nA,70\nB,60\nA,71\n",
            "lines 2 and 4: one subject has two ages, 70.0 and 71.0; if",
        ),
        (b"subject,sex,session\nA,F,1\nA,M,2\n", "lines 2 and 3: one subject has two sexes, F and M"),
        (b"path,age\nx/a.png,70\nx/a.png,71\n", "one path has two ages"),
    ],
)
def test_what_is_wrong_with_a_table_of_people_is_said_with_its_line(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(CohortError, match=message) as refused:
        read_subjects(tmp_path / "t.csv")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("path,label,subject,slice", "it has no column part, by, seed. Received: path, label, subject, slice."),
        (
            "path,label,subject,slice,prt,by,seed",
            "it has no column part. Received: path, label, subject, slice, prt, by, seed. Is 'prt' the column part, "
            "misspelt?",
        ),
    ],
)
def test_a_column_that_is_there_is_not_taken_for_another_one_misspelt(header: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{header}\n{'x,' * header.count(',')}x\n")
    with pytest.raises(CohortError) as refused:
        read_split(tmp_path / "t.csv")
    assert str(refused.value).endswith(f"is not a split table: {said}")


def test_of_two_columns_that_are_needed_the_missing_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "subjects.csv").write_text("path,age,sex\na.nii,70,F\n")
    (tmp_path / "a.nii").touch()
    with pytest.raises(CohortError) as refused:
        index_volumes(tmp_path)
    assert str(refused.value).endswith(" Missing: diagnosis. Received: path, age, sex.")


def test_two_visits_of_one_person_may_have_two_ages_and_other_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("PTID\tVISCODE\tAGE\tMOCA\nA\tbl\t70\t30\nA\tm12\t71\t29\n")
    people = read_subjects(tmp_path / "t.tsv")
    assert people["age"].tolist() == [70, 71]
    assert people.attrs["unused"] == ("MOCA",)


def test_a_split_that_went_through_excel_is_the_same_split(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            "path": ["a b/1.png", "c/2.png"],
            "label": ["none", "NA"],  # names of classes
            "subject": ["P1", ""],
            "slice": [3, 0],
            "part": ["train", "test"],
            "by": "subject",
            "seed": 1,
        }
    )
    rows.to_csv(tmp_path / "split.csv", sep=";", index=False, encoding="utf-16")
    pd.testing.assert_frame_equal(read_split(tmp_path / "split.csv"), rows, check_dtype=False)
    lines = ["path;label;subject;slice;part;by;seed", "a;b;;1;train;slice;1", "c;b;;1;dev;slice;1"]
    (tmp_path / "split.csv").write_text("\n".join(lines))
    with pytest.raises(CohortError, match="line 3: the part is 'dev'; expected train, val, test"):
        read_split(tmp_path / "split.csv")
    with pytest.raises(CohortError, match="it is a folder"):
        read_split(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(CohortError, match="it is a pipe or a device"):
        read_split(tmp_path / "pipe.csv")


def test_a_manifest_with_decimal_commas_is_read(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(";".join(COLUMNS) + "\nMild/a.png;Mild;A;;8,5;s.nii;good;0,9;\n")
    manifest = read_manifest(tmp_path)
    assert (manifest["height_mm"][0], manifest["similarity"][0], manifest["session"][0]) == (8.5, 0.9, "")
