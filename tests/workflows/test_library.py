"""What lies ready: which models answer which question."""

import shutil
from pathlib import Path

import pytest

from core.workflows.library import card_titles, models_of_other_questions

from ..conftest import tiny_recipe, write_tiny_bundle


def test_models_of_other_questions_read_pictures_and_tell_other_classes_apart(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(models / "tiny", tmp_path / "tiny")
    for name, changes in (
        ("tumours", {"task": "tumour"}),
        ("stages", {}),
        ("volumes", {"task": "tumour", "depth": 32, "backbone": "simple3dcnn"}),
    ):
        write_tiny_bundle(tmp_path / name, tiny_recipe(name=name, **changes))
    monkeypatch.setenv("STAGELENS_MODELS", str(tmp_path))
    assert {name: title.partition(": ")[0] for name, (title, _) in card_titles().items()} == {
        "tiny": "Stage", "stages": "Stage", "tumours": "Tumour", "volumes": "Tumour"
    }  # fmt: skip
    assert models_of_other_questions("tiny") == {"tumours": "Kind of brain tumour"}
    assert list(models_of_other_questions("tumours")) == ["stages"]  # one a question, the default if that is one
    (tmp_path / "DEFAULT").write_text("tiny")
    assert list(models_of_other_questions("tumours")) == ["tiny"]
