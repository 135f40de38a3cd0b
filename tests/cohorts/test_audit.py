import random
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cohorts import audit_folder
from core.cohorts.subjects import find_subjects, near_copies

from ..conftest import head, write_heads


def test_people_and_their_order_are_recovered_from_images_alone(tmp_path: Path) -> None:
    truth = write_heads(tmp_path / "c", {"NonDemented": 5, "MildDemented": 4}, slices=10)
    found = audit_folder(tmp_path / "c")
    assert found.people.found
    merged = found.table.merge(truth, on="path")
    assert merged["subject"].nunique() == 9
    assert (merged.groupby("subject")["person"].nunique() == 1).all()
    assert (merged["slice"] == merged["height"] + 1).all()  # the oval shrinks upwards: inferior first
    assert found.as_dict()["slices_per_subject"] == [10]


def test_names_and_folders_of_files_make_no_difference(tmp_path: Path) -> None:
    write_heads(tmp_path / "a", {"NonDemented": 4, "MildDemented": 3}, slices=8)
    first = audit_folder(tmp_path / "a").table
    files = sorted((tmp_path / "a").glob("*/*.png"))
    random.Random(5).shuffle(files)  # noqa: S311
    for number, path in enumerate(files):
        folder = tmp_path / "b" / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / f"{number}.jpg")
    second = audit_folder(tmp_path / "b").table
    key = ["sha256", "label", "subject", "slice"]
    pd.testing.assert_frame_equal(
        first[key].sort_values("sha256", ignore_index=True), second[key].sort_values("sha256", ignore_index=True)
    )


def test_without_a_gap_no_people_are_made_up() -> None:
    noise = np.random.default_rng(0).normal(size=(300, 4096)).astype(np.float32)
    noise += 2 * np.random.default_rng(1).normal(size=(1, 4096)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    people = find_subjects(noise, np.ones(300, np.float32))
    assert not people.found
    assert np.isnan(people.weakest_link)


def test_a_single_person_is_not_split_into_several() -> None:
    slices = np.stack([head(0, height).ravel() for height in range(20)]).astype(np.float32)
    slices -= slices.mean(axis=1, keepdims=True)
    slices /= np.linalg.norm(slices, axis=1, keepdims=True)
    assert not find_subjects(slices, np.linspace(1, 0, 20).astype(np.float32)).found


def test_a_person_with_more_slices_than_kept_neighbours_is_still_one_person() -> None:
    ages = np.linspace(0, 3, 150)
    rng = np.random.default_rng(4)
    people = [
        np.cos(ages)[:, None] * rng.normal(size=200) + np.sin(ages)[:, None] * rng.normal(size=200) for _ in range(3)
    ]
    slices = np.concatenate(people).astype(np.float32)
    slices /= np.linalg.norm(slices, axis=1, keepdims=True)
    found = find_subjects(slices, np.tile(np.linspace(1, 0.5, 150), 3).astype(np.float32))
    assert found.found
    assert found.groups.tolist() == np.repeat([0, 1, 2], 150).tolist()
    assert found.order.tolist() == list(range(150)) * 3


def test_copies_are_found_and_those_across_parts_named(tmp_path: Path) -> None:
    for part, people in (("Training", 3), ("Testing", 2)):
        write_heads(tmp_path / part, {"glioma": people}, slices=4)
    (tmp_path / "Training" / "glioma" / "broken.jpg").write_bytes(b"<html>")
    findings = audit_folder(tmp_path).as_dict()
    assert findings["identical_copies"] == 8  # the two people in Testing are the first two of Training
    assert len(findings["straddling_groups"]) == 8
    assert findings["straddling_groups"][0]["parts"] == ["Testing", "Training"]
    (unreadable,) = findings["unreadable"]
    assert unreadable["reason"].startswith("broken.jpg: this is an HTML page")


def test_near_copies_are_grouped_by_correlation() -> None:
    base = np.random.default_rng(2).normal(size=(3, 4096))
    noisy = base + 0.01 * np.random.default_rng(3).normal(size=base.shape)
    rows = np.concatenate([base, noisy]).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    groups = near_copies(rows)
    assert groups[:3].tolist() == groups[3:].tolist()
    assert len(set(groups.tolist())) == 3


@pytest.mark.parametrize("folder", ["alzheimer_mri", pytest.param("alzheimer_mri_176x208", marks=pytest.mark.slow)])
def test_the_alzheimer_set_is_200_people_with_32_slices_each(alzheimer_data: Path, folder: str) -> None:
    found = audit_folder(alzheimer_data / folder)
    findings = found.as_dict()
    assert (findings["images"], findings["people"], findings["slices_per_subject"]) == (6400, 200, [32])
    assert list(findings["people_by_class"].values()) == [100, 70, 28, 2]
    assert (findings["identical_copies"], findings["unreadable"]) == (0, [])
    truth = pd.read_csv(alzheimer_data / "alzheimer_people.csv")
    truth["path"] = [(alzheimer_data / path).as_posix() for path in truth["path"]]
    merged = found.table.merge(truth, on="path")
    assert len(merged) == 6400
    assert (merged.groupby("subject")["person"].nunique() == 1).all()
    assert (merged["slice"] == 105 - merged["z"]).all()  # the table counts from above, the audit from below


@pytest.mark.slow
def test_the_tumour_set_has_426_copies_and_no_people(alzheimer_data: Path) -> None:
    findings = audit_folder(alzheimer_data / "brain_tumor_mri").as_dict()
    assert findings["identical_copies"] == 426
    assert not findings["people_found"]
    assert all(group["parts"] == ["Testing", "Training"] for group in findings["straddling_groups"])
    assert findings["straddling_groups"]
