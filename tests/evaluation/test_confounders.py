from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import roc_auc_score

from core.cohorts.covariates import covariates_of, read_subjects
from core.cohorts.tasks import ALZHEIMER, TUMOUR
from core.errors import CohortError
from core.evaluation.confounders import SubjectFacts, confounders_of, covariate, known_subjects
from core.evaluation.evaluation import evaluate
from core.evaluation.predictions import predictions_of_run
from core.evaluation.scored import Scored

N = 80


def a_cohort(seed: int = 0) -> tuple[pd.DataFrame, Scored, list[str]]:
    """People whose young are all healthy, and a network that reads nothing but age; four slices of each."""
    rng = np.random.default_rng(seed)
    age = np.concatenate([rng.uniform(35, 55, N // 4), rng.uniform(60, 95, N - N // 4)])
    stage = np.concatenate([np.zeros(N // 4, int), rng.integers(0, 3, N - N // 4)])
    logits = np.zeros((N, 4))
    logits[:, 0] = (65 - age) / 10 + rng.normal(0, 0.2, N)
    paths = [f"/data/set/{'abc'[stage[person]]}/p{person:03d}_{index}.png" for person in range(N) for index in range(4)]
    table = pd.DataFrame({"path": [path.removeprefix("/data/") for path in paths], "age": np.repeat(age, 4).astype(str),
                          "sex": np.repeat(rng.choice(["F", "M"], N), 4)})  # fmt: skip
    subjects = np.repeat([f"P{person:03d}" for person in range(N)], 4)
    return table, Scored(np.repeat(stage, 4), np.repeat(logits, 4, axis=0), subjects, ALZHEIMER), paths


def write(table: pd.DataFrame, folder: Path) -> Path:
    table.to_csv(folder / "people.csv", index=False)
    return folder / "people.csv"


def test_a_network_that_reads_age_is_found_out(tmp_path: Path) -> None:
    table, scored, paths = a_cohort()
    people = known_subjects(write(table, tmp_path), aged_from=60, unknown_age=None)
    assert people is not None
    found = confounders_of(people, paths, scored)
    everybody, aged = found.groups
    assert (everybody.people, aged.people) == (N, N * 3 // 4)
    age = np.asarray(table["age"][::4], float)
    alone = everybody.covariates[0]
    assert alone.auc_alone.value == pytest.approx(roc_auc_score(scored.labels[::4] > 0, age), abs=1e-9)
    assert everybody.by_subject["auc_impaired"].value > 0.6 > aged.by_subject["auc_impaired"].value
    said = "\n".join(found.warnings)
    assert "age explains 9" in said  # per cent and more
    assert "age alone, without any picture, has an AUC of" in said
    assert "for everybody tested and" in said
    assert "sex" not in said


def test_explained_variance_is_that_of_scipy_and_of_an_analysis_of_variance() -> None:
    rng = np.random.default_rng(3)
    age, kind = rng.uniform(50, 90, 60), rng.choice(["a", "b", "c"], 60)
    score = 0.02 * age + (kind == "b") * 0.4 + rng.normal(0, 0.3, 60)
    impaired = score > np.median(score)
    by_age = covariate("age", pd.Series(age), impaired, score)
    assert by_age.variance_explained.value == pytest.approx(pearsonr(age, score)[0] ** 2, abs=1e-9)
    assert by_age.variance_explained.low < by_age.variance_explained.value < by_age.variance_explained.high
    by_kind = covariate("site", pd.Series(kind), impaired, score)
    within = sum(((score[kind == one] - score[kind == one].mean()) ** 2).sum() for one in "abc")
    assert by_kind.variance_explained.value == pytest.approx(1 - within / ((score - score.mean()) ** 2).sum(), abs=1e-9)
    nobody = covariate("age", pd.Series([np.nan] * 60), impaired, score)
    assert (nobody.people, nobody.auc_alone.reason) == (0, "it is known of nobody")


def test_scans_are_found_by_the_end_of_their_path_or_by_person(tmp_path: Path) -> None:
    table = pd.DataFrame({"path": ["set/train/a/1.png", "set/test/a/1.png", "set/b/2.png"], "age": ["61", "72", ""]})
    people = read_subjects(write(table, tmp_path))
    paths = ["/x/set/train/a/1.png", "/x/set/test/a/1.png", "/other/b/2.png", "/y/a/1.png", "/x/none.png"]
    found = covariates_of(people, paths, [""] * 5)["age"]
    np.testing.assert_array_equal(found, [61, 72, np.nan, np.nan, np.nan])  # "a/1.png" might be either
    by_name = read_subjects(write(pd.DataFrame({"person": ["P1", "P2"], "sex": ["F", "M"]}), tmp_path))
    assert covariates_of(by_name, ["x"] * 3, ["P2", "P1", "P9"])["sex"].tolist() == ["M", "F", ""]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": ["a"], "age": [1]}, "none of the columns path, person, subject"),
        ({"person": ["a"], "cdr": [1]}, "none of the columns age, sex, site"),
        ({"person": ["a"], "age": ["old"]}, "the age 'old' is not a number"),
    ],
)
def test_a_table_that_is_none_is_refused(table: dict[str, list[object]], message: str, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=message):
        read_subjects(write(pd.DataFrame(table), tmp_path))


def test_where_confounders_cannot_be_measured_it_is_said(tmp_path: Path) -> None:
    table, scored, paths = a_cohort()
    people = SubjectFacts(read_subjects(write(table, tmp_path)))
    with pytest.raises(CohortError, match="people cannot be told apart"):
        confounders_of(people, paths, replace(scored, subjects=np.full(len(paths), "")))
    with pytest.raises(CohortError, match="stages of a disease only"):
        confounders_of(people, paths, replace(scored, task=TUMOUR))
    with pytest.raises(CohortError, match="none of these scans is in the table"):
        confounders_of(people, ["/z/q.png"] * len(paths), scored)
    with pytest.raises(CohortError, match="not a table of people"):
        read_subjects(tmp_path / "none.csv")


def test_age_alone_on_the_real_set_is_what_the_table_of_people_says(alzheimer_data: Path) -> None:
    path = alzheimer_data / "alzheimer_people.csv"
    if not path.is_file():
        pytest.skip("there is no table of people")
    rows = pd.read_csv(path).drop_duplicates("person")
    rows = rows[~rows["person"].str.startswith("moderate")]
    impaired = ~rows["person"].str.startswith("non").to_numpy()
    everybody = covariate("age", rows["age"].fillna(50), impaired, rows["age"].fillna(50).to_numpy())
    aged = (rows["age"] >= 60).to_numpy()
    of_age = covariate("age", rows["age"][aged], impaired[aged], rows["age"][aged].to_numpy())
    assert everybody.auc_alone.value == pytest.approx(0.64, abs=0.01)
    assert of_age.auc_alone.value == pytest.approx(0.50, abs=0.01)
    assert of_age.auc_alone.low < 0.5 < of_age.auc_alone.high


def test_a_run_is_evaluated_from_what_it_kept(tmp_path: Path) -> None:
    from core.errors import TrainingError
    from core.runs.folder import write_recipe

    from ..conftest import tiny_recipe, write_finished_run

    table, scored, paths = a_cohort()
    predictions = pd.DataFrame({"path": paths, "label": [ALZHEIMER.classes[label] for label in scored.labels],
                                "subject": scored.subjects, "part": "test"})  # fmt: skip
    for index, name in enumerate(ALZHEIMER.classes):
        predictions[f"logit {name}"] = scored.logits[:, index]
    for fold, part in enumerate(np.array_split(np.arange(N), 2), start=1):
        own = predictions[predictions["subject"].isin(scored.subjects[part * 4])]
        write_finished_run(tmp_path / "cv" / f"repeat1_fold{fold}", own, tiny_recipe())
    people = known_subjects(write(table, tmp_path), aged_from=60, unknown_age=None)
    found = evaluate(predictions_of_run(tmp_path / "cv"), people)
    assert found.by_subject is not None
    assert found.by_subject.n == N
    assert found.confounders is not None
    assert len(found.confounders.groups) == 2
    assert evaluate(predictions_of_run(tmp_path / "cv")).confounders is None
    (tmp_path / "empty").mkdir()
    write_recipe(tmp_path / "empty" / "recipe.toml", tiny_recipe())
    with pytest.raises(TrainingError, match="holds no finished run"):
        predictions_of_run(tmp_path / "empty")
    with pytest.raises(TrainingError, match=r"holds no run; a bundle is evaluated on a split, given with --split"):
        predictions_of_run(tmp_path / "none")
