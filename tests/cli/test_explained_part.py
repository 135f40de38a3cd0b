"""A part of a split, explained from a shell."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.networks.inference.prediction import Prediction

from .conftest import Shell


def test_a_part_of_a_split_is_explained_on_the_command_line(
    shell: Shell, models: Path, cohort: Path, tmp_path: Path
) -> None:
    table, out = cohort / "alzheimer_slices.csv", tmp_path / "out"
    status, said, err = shell("explain", "--split", table, "--out", out, "--at-most", "3", "--json")
    assert (status, err) == (0, "")
    values = json.loads(said)
    assert values["scans"] == 3
    assert {Path(path).name for path in values["files"].values()} == {path.name for path in out.iterdir()}
    written = pd.read_csv(out / "explanations.csv")
    assert len(written) == len(np.load(out / "heatmaps.npy")) == 3
    assert "may have been trained on these scans" in values["warnings"][0]
    status, said, _ = shell("explain", "--split", table, "--out", out, "--part", "val", "--class", "mild demented")
    assert status == 0
    assert "Grad-CAM of 4 of them for Mild Demented" in said


def test_a_part_of_which_everything_is_rejected_is_no_success(
    shell: Shell, models: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Prediction, "rejected", property(lambda self: True))
    arguments = ("explain", "--split", cohort / "alzheimer_slices.csv", "--out", tmp_path / "out")
    status, said, _ = shell(*arguments)
    assert (status, "none explained" in said) == (1, True)
    status, said, _ = shell(*arguments, "--json")
    values = json.loads(said)
    assert (status, values["classes"], values["rejected"]) == (1, {}, values["scans"])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"explanations.csv", "examples.png"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "OUT"], "give scans, or a table"),
        (["SCAN", "--split", "SPLIT", "--out", "OUT"], "give scans, or a table"),
        (["--split", "SPLIT", "--out", "OUT", "--flip"], "of single scans"),
        (["--split", "SPLIT", "--out", "OUT", "--part", "holdout"], "no holdout part"),
        (["--split", "SPLIT", "--out", "OUT", "--check", "cascading-randomisation"], "no check of a part's scans"),
        (["--split", "SPLIT", "--out", "OUT", "--class", "severe"], "'severe' is not a class"),
        (["--split", "nowhere.csv", "--out", "OUT"], "nowhere.csv"),
    ],
)
def test_what_cannot_be_explained_of_a_split_is_one_line(
    shell: Shell, models: Path, cohort: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    places = {"OUT": str(tmp_path / "out"), "SPLIT": str(cohort / "alzheimer_slices.csv"), "SCAN": "scan.png"}
    status, out, err = shell("explain", *(places.get(one, one) for one in arguments))
    assert (status != 0, out) == (True, "")
    assert said in err
    assert not (tmp_path / "out").exists()
