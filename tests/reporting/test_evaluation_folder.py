"""An evaluation as files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import StageLensError
from core.evaluation.predictions import predictions_of_run
from core.reporting.class_report import class_report
from core.reporting.evaluation_folder import save_evaluation

from .test_evaluation_report import write_run


def test_an_evaluation_is_written_as_tables_json_and_report(tmp_path: Path) -> None:
    asked = predictions_of_run(write_run(tmp_path / "run"))
    found, files = save_evaluation(asked, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in files.values()}
    assert json.loads(files["evaluation"].read_text()) == json.loads(json.dumps(found.as_dict()))
    said = pd.read_csv(files["predictions"])
    assert len(said) == len(asked.asked) == found.by_slice.n
    assert (said["answer"] == said["label"]).mean() == pytest.approx(found.by_slice["accuracy"].value)
    np.testing.assert_allclose(said.filter(regex="^softmax ").sum(axis=1), 1)
    assert found.by_subject is not None
    for unit, metrics in (("by-subject", found.by_subject), ("by-slice", found.by_slice)):
        counts = pd.read_csv(tmp_path / "out" / f"confusion-{unit}.csv", index_col="truth")
        np.testing.assert_array_equal(counts.to_numpy(), metrics.confusion)
        written = pd.read_csv(tmp_path / "out" / f"classes-{unit}.csv")
        np.testing.assert_allclose(written["Recall"], class_report(metrics)["Recall"])


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    asked = predictions_of_run(write_run(tmp_path / "run"))
    (tmp_path / "file").write_text("")
    with pytest.raises(StageLensError, match="cannot be written"):
        save_evaluation(asked, tmp_path / "file" / "out")
