"""Classes as public sets spell them, and classes of one's own."""

from pathlib import Path

import pandas as pd
import pytest

from core.cohorts import (
    ALZHEIMER,
    TASKS,
    TUMOUR,
    Task,
    index_folder,
    read_split,
    split_by_slice,
    task_of,
    write_folders,
)
from core.cohorts.names.classes import plain
from core.cohorts.tasks import read_task, task_of_table, with_task, write_task
from core.errors import CohortError

STAGES = ALZHEIMER.classes


@pytest.mark.parametrize(
    "spellings",
    [
        ["No Dementia", "Very mild Dementia", "Mild Dementia", "Moderate Dementia"],
        ["No Impairment", "Very Mild Impairment", "Mild Impairment", "Moderate Impairment"],
        ["NonDemented", "VeryMildDemented", "MildDemented", "ModerateDemented"],
        ["0_Normal", "1_very_mild", "2_mild", "3_moderate"],
        ["CDR 0", "CDR 0.5", "CDR 1", "CDR 2"],
        ["healthy", "Very Mildly Impaired", "mildly impaired", "Moderately-Impaired"],
    ],
)
def test_every_spelling_of_the_four_stages_is_the_same_task(spellings: list[str]) -> None:
    assert task_of(spellings) is ALZHEIMER
    assert tuple(map(ALZHEIMER.class_of, spellings)) == STAGES


@pytest.mark.parametrize(
    "spellings",
    [
        ["glioma", "meningioma", "notumor", "pituitary"],
        ["glioma_tumor", "meningioma_tumor", "no_tumor", "pituitary_tumor"],
        ["Glioma Tumour", "Meningioma Tumour", "Normal", "Pituitary Tumour"],
        ["brain_glioma", "brain_menin", "healthy", "Pituitary adenoma"],
        ["glioma images", "meningioma images", "no tumor images", "pituitary images"],
    ],
)
def test_every_spelling_of_the_kinds_of_tumour_is_the_same_task(spellings: list[str]) -> None:
    assert task_of(spellings) is TUMOUR
    assert tuple(map(TUMOUR.class_of, spellings)) == TUMOUR.classes


@pytest.mark.parametrize(
    ("spellings", "classes"),
    [
        (["AD", "CN"], ("CN", "AD")),
        (["Final AD JPEG", "Final CN JPEG", "Final EMCI JPEG", "Final LMCI JPEG"], ("CN", "EMCI", "LMCI", "AD")),
        (["Alzheimer's disease", "mild cognitive impairment", "Healthy Control"], ("CN", "MCI", "AD")),
        (["LMCI", "SMC", "EMCI", "MCI", "NC", "ad"], ("CN", "SMC", "EMCI", "MCI", "LMCI", "AD")),
    ],
)
def test_diagnoses_are_ordered_stages_of_those_that_are_there(spellings: list[str], classes: tuple[str, ...]) -> None:
    task = task_of(spellings)
    assert (task.classes, task.ordered, task.name) == (classes, True, "custom")
    assert {task.class_of(one) for one in spellings} == set(classes)


def test_a_mild_cognitive_impairment_is_no_mild_dementia() -> None:
    assert ALZHEIMER.class_of("Mild Cognitive Impairment") is None
    assert ALZHEIMER.class_of("AD") is None


def test_no_spelling_stands_for_two_classes_of_a_task() -> None:
    for task in TASKS.values():
        spellings = [*map(plain, task.classes), *(one for own in task.synonyms for one in own)]
        assert len(spellings) == len(set(spellings))
        assert all(one == plain(one) for one in spellings)


def test_other_classes_are_a_task_with_their_own_names() -> None:
    assert task_of(["10", "2", "0"]).classes == ("0", "2", "10")
    assert not task_of(["0", "1", "2", "3"]).ordered
    assert task_of(["Case A", "case_a", "B"]).classes == ("B", "Case A")  # parts of one set may differ
    assert task_of(["患者", "健康"]).class_of("患者") == "患者"
    assert task_of(["A+", "A-"]).class_of("A-") == "A-"


def write_classes(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / f"{name}.png").touch()
    return folder


def test_a_task_file_gives_names_order_and_the_positive_class(tmp_path: Path) -> None:
    (write_classes(tmp_path, "sick", "well", "2") / "task.toml").write_text(
        'classes = ["well", "ill", "very ill"]\nordered = true\npositive = "very ill"\n'
        '[synonyms]\nill = ["Sick"]\n"very ill" = ["2"]\n'
    )
    table, task = index_folder(tmp_path)
    assert task.classes == ("well", "ill", "very ill")
    assert dict(zip(table["path"].map(lambda path: Path(path).stem), table["label"], strict=True)) == {
        "2": "very ill",
        "sick": "ill",
        "well": "well",
    }
    assert task.positives == (False, False, True)
    assert task_of_table(table) == task


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes = 3", "expected classes as a list"),
        ('classes = ["a", "a"]', "a class is named twice"),
        ('classes = ["a", "b"]\npositive = "c"', "'c', which is none of the classes a, b"),
        ('classes = ["a/b", "c"]', "without / and"),
        ('klasses = ["a"]', "'klasses'; expected classes, ordered"),
        ("classes = [", "is not TOML"),
        ('classes = ["well"]', "also holds 'ill'; add it to classes"),
    ],
)
def test_a_task_file_that_does_not_fit_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (write_classes(tmp_path, "ill", "well") / "task.toml").write_text(text)
    with pytest.raises(CohortError, match=message) as refused:
        index_folder(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_yes_is_any_class_but_the_first_or_the_positive_one() -> None:
    three = ("a", "b", "c")
    assert Task(three, ordered=True).positives == (False, True, True)
    assert Task(three, ordered=True, positive="c").positives == (False, False, True)
    assert Task(three, positive="b").positives == (False, True, False)
    assert [Task(three, **given).decides for given in ({}, {"ordered": True}, {"positive": "a"})] == [False, True, True]
    assert not Task(three, ordered=True, positive="a").decides  # everybody


def test_the_task_goes_with_the_split_through_the_disk_and_into_its_folders(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    for name in ("low", "mid", "high"):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            (folder / name / f"{number}.png").touch()
    (folder / "task.toml").write_text('classes = ["low", "mid", "high"]\nordered = true\n')
    table, task = index_folder(folder)
    split = split_by_slice(table.assign(slice=0), seed=1)
    split.to_csv(tmp_path / "split.csv", index=False)
    read = read_split(tmp_path / "split.csv")
    assert task_of_table(read) == task
    write_folders(read, tmp_path / "parts")
    assert index_folder(tmp_path / "parts")[1] == task
    assert index_folder(folder)[1] == task
    assert task_of_table(read.drop(columns="task")).classes == ("high", "low", "mid")  # as written before


def test_stages_can_be_said_to_be_stages_and_kinds_cannot() -> None:
    table = pd.DataFrame({"label": ["0", "1"]})
    assert task_of_table(with_task(table, task_of(["0", "1"]), ordered=True)).ordered
    with pytest.raises(CohortError, match="have no order"):
        with_task(table, TUMOUR, ordered=True)
    with pytest.raises(CohortError, match="column task is no task"):
        task_of_table(table.assign(task='{"classes": []}'))


def test_a_written_task_is_read_as_it_was(tmp_path: Path) -> None:
    task = Task(("a", "b"), title="What?", synonyms=((), ("bee",)), ordered=True, positive="b")
    write_task(tmp_path, task)
    assert read_task(tmp_path / "task.toml") == task
    write_task(tmp_path / "nowhere", ALZHEIMER)  # known tasks need no file
