import random
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from core.cohorts import Audit, audit_folder
from core.cohorts.names.people import Naming
from core.cohorts.plan import named_audit
from core.cohorts.recovery.links import Slices, link, near_copies
from core.cohorts.recovery.subjects import find_subjects
from core.cohorts.synthetic.copies import COPIES, Change
from core.errors import CohortError
from core.reporting.text.cohorts import audit_text

from ..conftest import audited, head, write_heads


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
    people = find_subjects(link(Slices(noise)), np.ones(300, np.float32))
    assert not people.found
    assert np.isnan(people.weakest_link)


def test_a_single_person_is_not_split_into_several() -> None:
    slices = np.stack([head(0, height).ravel() for height in range(20)]).astype(np.float32)
    slices -= slices.mean(axis=1, keepdims=True)
    slices /= np.linalg.norm(slices, axis=1, keepdims=True)
    assert not find_subjects(link(Slices(slices)), np.linspace(1, 0, 20).astype(np.float32)).found


def test_a_person_with_more_slices_than_kept_neighbours_is_still_one_person() -> None:
    ages = np.linspace(0, 3, 150)
    rng = np.random.default_rng(4)
    people = [
        np.cos(ages)[:, None] * rng.normal(size=200) + np.sin(ages)[:, None] * rng.normal(size=200) for _ in range(3)
    ]
    slices = np.concatenate(people).astype(np.float32)
    slices /= np.linalg.norm(slices, axis=1, keepdims=True)
    found = find_subjects(link(Slices(slices)), np.tile(np.linspace(1, 0.5, 150), 3).astype(np.float32))
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
    groups = near_copies(link(Slices(rows)))
    assert groups[:3].tolist() == groups[3:].tolist()
    assert len(set(groups.tolist())) == 3


def some_people(data: Path, into: Path, *, people: int, fraction: float, seed: int) -> pd.DataFrame:
    """Link a fraction of the slices of some of the real people into class folders; returns path and person."""
    truth = pd.read_csv(data / "alzheimer_people.csv")
    truth = truth[truth["path"].str.startswith("alzheimer_mri/")]
    chosen = pd.Series(truth["person"].unique()).sample(people, random_state=seed)
    kept = truth[truth["person"].isin(chosen)].sample(frac=fraction, random_state=seed)
    links = [into / Path(path).parent.name / Path(path).name for path in kept["path"]]
    for path, placed in zip(kept["path"], links, strict=True):
        placed.parent.mkdir(exist_ok=True)
        placed.symlink_to(data / path)
    return kept.assign(path=[link.as_posix() for link in links])


def test_forty_people_of_the_alzheimer_set_are_found(alzheimer_data: Path, tmp_path: Path) -> None:
    truth = some_people(alzheimer_data, tmp_path, people=40, fraction=1.0, seed=0)
    found = audit_folder(tmp_path)
    assert right(found, truth)
    assert len(found.table) == 40 * 32
    merged = found.table.merge(truth, on="path")
    assert (merged["slice"] == 105 - merged["z"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["alzheimer_mri", "alzheimer_mri_176x208"])
def test_the_alzheimer_set_is_200_people_with_32_slices_each(alzheimer_data: Path, folder: str) -> None:
    found = audited(alzheimer_data / folder)
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


def copied(truth: pd.DataFrame, change: Change) -> pd.DataFrame:
    """Write a changed copy of each slice beside it; returns the table with both."""
    rows = []
    for row in truth.itertuples():
        path = Path(row.path).with_name(f"{Path(row.path).stem}_copy.png")
        picture = np.asarray(cv2.imread(row.path, cv2.IMREAD_GRAYSCALE), np.uint8)
        wide = cv2.copyMakeBorder(picture, 30, 30, 30, 30, cv2.BORDER_CONSTANT)  # so that no head is cut when it moves
        cv2.imwrite(str(path), change(np.asarray(wide, np.uint8)))
        rows.append((path.as_posix(), row.label, row.person, row.height))
    return pd.concat([truth, pd.DataFrame(rows, columns=list(truth.columns))], ignore_index=True)


def right(found: Audit, truth: pd.DataFrame) -> bool:
    """Tell whether people were found as they are, none torn and no two in one."""
    merged = found.table.merge(truth, on="path")
    pairs = merged[["subject", "person"]].drop_duplicates()
    return bool(
        found.people.found and not pairs["subject"].duplicated().any() and not pairs["person"].duplicated().any()
    )


@pytest.mark.parametrize("kind", COPIES)
def test_changed_copies_go_to_the_person_of_their_originals(tmp_path: Path, kind: str) -> None:
    truth = copied(write_heads(tmp_path, {"NonDemented": 5, "MildDemented": 4}, slices=10), COPIES[kind])
    found = audit_folder(tmp_path)
    if kind.startswith("zoomed") and not found.people.found:  # textures of ovals are not as alike as heads are then
        assert "copies of each other" in found.people.reason
        return
    assert right(found, truth)
    assert len(found.table) == len(truth)
    assert found.table["subject"].nunique() == 9


@pytest.fixture(scope="module")
def real_slices(alzheimer_data: Path) -> pd.DataFrame:
    """Slices of the public set: path, person, and z, the height in mm."""
    table = pd.read_csv(alzheimer_data / "alzheimer_people.csv")
    wide = table[table["path"].str.startswith("alzheimer_mri_176x208/")]
    return wide.assign(path=[str(alzheimer_data / path) for path in wide["path"]])


def written(folder: Path, slices: pd.DataFrame, change: Change | None = None) -> pd.DataFrame:
    """Write real slices into class folders of a new set, changed if asked for; return their new paths and persons."""
    rows = []
    for number, (path, person) in enumerate(zip(slices["path"], slices["person"], strict=True)):
        picture = np.asarray(cv2.imread(path, cv2.IMREAD_GRAYSCALE), np.uint8)
        target = folder / Path(path).parent.name / f"{'copy' if change else 'scan'}_{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), picture if change is None else change(picture))
        rows.append((target.as_posix(), person))
    return pd.DataFrame(rows, columns=["path", "person"])


def some(real_slices: pd.DataFrame, people: int, seed: int) -> pd.DataFrame:
    """Return all slices of some people, drawn at random."""
    names = pd.Series(sorted(real_slices["person"].unique())).sample(people, random_state=seed)
    return real_slices[real_slices["person"].isin(names)]


@pytest.mark.parametrize("kind", ["turned by 8°", "zoomed to 0.92, turned by 3°"])
def test_changed_copies_of_real_slices_go_to_their_people(real_slices: pd.DataFrame, tmp_path: Path, kind: str) -> None:
    slices = some(real_slices, 8, seed=1)
    truth = pd.concat([written(tmp_path, slices), written(tmp_path, slices, COPIES[kind])])
    found = audit_folder(tmp_path)
    assert right(found, truth)
    assert found.table["subject"].nunique() == 8


@pytest.mark.parametrize(("lowest", "missing"), [(3, 4), (10, 1), (10, 2), (15, 2), (12, 6), (26, 2)])
def test_of_a_person_between_whose_slices_some_are_missing_one_piece_is_kept(
    real_slices: pd.DataFrame, tmp_path: Path, lowest: int, missing: int
) -> None:
    slices = some(real_slices, 10, seed=lowest)
    one = slices["person"].iloc[0]
    heights = slices["z"] - slices["z"].min()
    gone = (slices["person"] == one) & heights.between(lowest, lowest + missing - 1)
    truth = written(tmp_path, slices[~gone])
    found = audit_folder(tmp_path)
    assert right(found, truth)
    assert found.table["subject"].nunique() == 10
    aside = found.set_aside.merge(truth, on="path")
    assert set(aside["person"]) <= {one}
    assert aside["reason"].str.contains("a piece of another person's slices").all()
    assert len(aside) <= 16


HALVES = {"low and high": (0, 8, 20, 28), "the ends": (0, 3, 29, 32), "two long pieces": (0, 14, 16, 32)}


@pytest.mark.parametrize("kind", HALVES)
def test_where_everybody_is_in_two_pieces_nobody_is_established(
    real_slices: pd.DataFrame, tmp_path: Path, kind: str
) -> None:
    first, last, second, end = HALVES[kind]
    slices = some(real_slices, 12, seed=2)
    heights = slices["z"] - slices["z"].min()
    written(tmp_path, slices[heights.between(first, last - 1) | heights.between(second, end - 1)])
    assert not audit_folder(tmp_path).people.found


def inverted(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return 255 - picture


def upper_part(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return picture[: 2 * len(picture) // 3]


@pytest.mark.parametrize("change", [inverted, upper_part])
@pytest.mark.parametrize("whose", ["half of the people", "everybody"])
def test_pictures_of_several_kinds_are_not_taken_for_people(
    real_slices: pd.DataFrame, tmp_path: Path, change: Change, whose: str
) -> None:
    slices = some(real_slices, 10, seed=3)
    half = set(sorted(slices["person"].unique())[:5])
    if whose == "everybody":
        written(tmp_path, slices)
        written(tmp_path, slices, change)
    else:
        written(tmp_path, slices[slices["person"].isin(half)])
        written(tmp_path, slices[~slices["person"].isin(half)], change)
    assert not audit_folder(tmp_path).people.found


def test_groups_that_mostly_hold_several_classes_are_not_taken_for_people(tmp_path: Path) -> None:
    write_heads(tmp_path, {"NonDemented": 6}, slices=12)
    for number, path in enumerate(sorted((tmp_path / "NonDemented").glob("*.png"))):
        if number % 2:
            (tmp_path / "MildDemented").mkdir(exist_ok=True)
            path.rename(tmp_path / "MildDemented" / path.name)
    found = audit_folder(tmp_path)
    assert not found.people.found
    assert found.people.reason == "most of the groups have slices in several classes"


def stray(folder: Path, name: str, picture: NDArray[Any]) -> str:
    path = folder / "NonDemented" / f"{name}.png"
    cv2.imwrite(str(path), picture.astype(np.uint8))
    return path.as_posix()


def noise(seed: int) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, 255, (104, 88))


def photograph(seed: int) -> NDArray[Any]:
    """A picture of something else: a bright cross whose arms shrink a little from one to the next."""
    picture = np.zeros((104, 88), np.uint8)
    picture[45:60, 5 + seed : 80 - seed] = 200
    picture[10 + seed : 95 - seed, 20:30] = 160
    return picture


STRAYS: dict[str, list[NDArray[Any]]] = {
    "one black": [np.zeros((104, 88))],
    "one white": [np.full((104, 88), 255)],
    "one noise": [noise(0)],
    "six noises": [noise(seed) for seed in range(6)],
    "six of one photograph": [photograph(0)] * 6,
    "six photographs alike": [photograph(seed) for seed in range(6)],
}


@pytest.mark.parametrize("kind", STRAYS)
def test_stray_pictures_are_set_aside_and_named_and_change_nobody(tmp_path: Path, kind: str) -> None:
    truth = write_heads(tmp_path, {"NonDemented": 7, "MildDemented": 5}, slices=12)
    strays = {stray(tmp_path, f"stray{number}", picture) for number, picture in enumerate(STRAYS[kind])}
    found = audit_folder(tmp_path)
    assert right(found, truth)
    assert found.table["subject"].nunique() == 12
    assert set(found.set_aside["path"]) == strays
    assert all(found.set_aside["reason"])
    said = audit_text(found.as_dict())
    assert f"{len(strays)} pictures set aside" in said or f"{len(strays)} picture set aside" in said


def test_whom_a_pattern_names_is_nobodys_stray(tmp_path: Path) -> None:
    truth = write_heads(tmp_path, {"NonDemented": 7, "MildDemented": 5}, slices=12)
    for row in truth.itertuples():
        Path(row.path).rename(Path(row.path).with_name(f"p{row.person}_{row.height}.png"))
    stray(tmp_path, "p100_6", head(100, 6))
    black = stray(tmp_path, "p101_0", np.zeros((104, 88)))
    assert len(audit_folder(tmp_path).set_aside) == 2
    found, _ = named_audit(tmp_path, Naming(r"(?P<subject>p\d+)_"))
    assert found.table["subject"].nunique() == 13
    assert found.set_aside["path"].tolist() == [black]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_pictures_are_nobody_in_particular(tmp_path: Path, count: int) -> None:
    (tmp_path / "NonDemented").mkdir()
    for height in range(count):
        stray(tmp_path, str(height), head(0, height))
    found = audit_folder(tmp_path)
    assert (len(found.table), found.people_known, len(found.set_aside)) == (count, False, 0)


def test_single_slices_of_others_are_set_aside(tmp_path: Path) -> None:
    truth = write_heads(tmp_path, {"NonDemented": 7, "MildDemented": 5}, slices=12)
    singles = {stray(tmp_path, f"single{person}", head(100 + person, 6)) for person in range(10)}
    found = audit_folder(tmp_path)
    assert right(found, truth)
    assert set(found.set_aside["path"]) == singles


@pytest.mark.parametrize("fraction", [0.02, 0.1, 0.3, 0.5])
def test_with_slices_missing_people_are_right_or_not_established(tmp_path: Path, fraction: float) -> None:
    for seed in range(3):
        folder = tmp_path / str(seed)
        truth = write_heads(folder, {"NonDemented": 7, "MildDemented": 5}, slices=24)
        for path in truth.sample(frac=fraction, random_state=seed)["path"]:
            Path(path).unlink()
        found = audit_folder(folder)
        assert right(found, truth) or not found.people_known
        if not found.people_known:
            assert (found.table["subject"] == "").all()
            assert found.as_dict()["people_unknown_because"] in audit_text(found.as_dict())


def test_one_who_holds_most_of_the_set_or_several_classes_is_doubted_aloud(tmp_path: Path) -> None:
    write_heads(tmp_path, {"NonDemented": 4}, slices=6)
    for height in range(30):
        stray(tmp_path, f"long{height}", head(50, height))
    (tmp_path / "MildDemented").mkdir()
    moved_there = sorted((tmp_path / "NonDemented").glob("long*"))[:5]
    for path in moved_there:
        path.rename(tmp_path / "MildDemented" / path.name)
    findings = audit_folder(tmp_path).as_dict()
    assert findings["people_found"]
    assert any("more than half" in doubt for doubt in findings["doubts"])
    assert any("in 2 classes (Mild Demented, Non Demented)" in doubt for doubt in findings["doubts"])
    assert all(doubt in audit_text(findings) for doubt in findings["doubts"])


def test_a_folder_without_anything_like_a_head_is_refused_in_one_line(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / "NonDemented").mkdir(exist_ok=True)
        stray(tmp_path, str(number), np.zeros((20, 20)))
    with pytest.raises(CohortError, match="none of the 9 pictures"):
        audit_folder(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_thinned_alzheimer_set_is_right_or_not_established(alzheimer_data: Path, tmp_path: Path, seed: int) -> None:
    named = some_people(alzheimer_data, tmp_path, people=40, fraction=(0.98, 0.9, 0.7)[seed], seed=seed)
    found = audit_folder(tmp_path)
    assert right(found, named) or not found.people_known
