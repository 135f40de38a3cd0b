"""Compiled networks in the user's cache: read without a network library, and never trusted where they were touched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.backend_choice import settled_backend
from core.networks.bundle import Bundle, open_bundle
from core.networks.inference.compiled import CACHE_VARIABLE, FACTS_FILE, KEPT, MODEL_FILE, cache_folder
from core.networks.inference.loading import load_predictor

from ...conftest import ROOT, tiny_recipe, write_tiny_bundle

pytestmark = pytest.mark.skipif(
    settled_backend().backend != "tensorflow", reason="OpenVINO converts networks of the TensorFlow backend"
)
GREY = np.random.default_rng(0).uniform(0, 255, (3, 70, 60)).astype(np.float32)
READS = """
import json, sys
from core.networks.bundle import open_bundle
from core.networks.inference.loading import load_predictor
import numpy as np
predictor = load_predictor(open_bundle(sys.argv[1]))
grey = np.random.default_rng(0).uniform(0, 255, (3, 70, 60)).astype(np.float32)
heads = [one.tolist() for one in predictor.linear_head]
centres = [axis.tolist() for axis in predictor.cell_centres(predictor.target_layer)]
logits = predictor.logits(list(grey)).tolist()
network_libraries = sorted({"keras", "tensorflow"} & set(sys.modules))
print(json.dumps([predictor.engine, network_libraries, logits, heads, centres, list(predictor.layers)]))
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return cache_folder()


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle of its own."""
    return write_tiny_bundle(tmp_path / "own", tiny_recipe(backbone="simple2dcnn"))


def entries(cache: Path) -> list[Path]:
    return [one for one in cache.iterdir() if one.is_dir()]


def entry(cache: Path) -> Path:
    (only,) = entries(cache)
    return only


def test_a_second_load_needs_no_network_library_and_knows_the_same(cache: Path, bundle: Bundle) -> None:
    first = load_predictor(bundle)
    assert first.engine == "openvino"
    done = subprocess.run(
        [sys.executable, "-c", READS, str(bundle.folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    engine, libraries, logits, heads, centres, layers = json.loads(done.stdout)
    assert (engine, libraries) == ("openvino", [])
    np.testing.assert_allclose(logits, first.logits(list(GREY)), atol=1e-5)
    assert first.linear_head is not None
    for found, expected in zip(heads, first.linear_head, strict=True):
        np.testing.assert_array_equal(np.asarray(found, np.float32), expected)
    for found, expected in zip(centres, first.cell_centres(first.target_layer), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert tuple(layers) == first.layers


@pytest.mark.parametrize("file", [MODEL_FILE, FACTS_FILE])
@pytest.mark.parametrize("damage", ["one byte", "cut off", "gone", "empty"])
def test_a_damaged_entry_is_made_anew(cache: Path, bundle: Bundle, file: str, damage: str) -> None:
    expected = load_predictor(bundle).logits(list(GREY))
    path = entry(cache) / file
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 0xFF
    path.unlink()
    if damage != "gone":
        path.write_bytes({"one byte": bytes(changed), "cut off": whole[: len(whole) // 2], "empty": b""}[damage])
    again = load_predictor(bundle)
    np.testing.assert_allclose(again.logits(list(GREY)), expected, atol=1e-5)
    assert again._network is not None  # it was built
    assert load_predictor(bundle)._network is None  # the new entry is read


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system knows no owners")
def test_an_entry_that_others_could_have_written_is_made_anew(cache: Path, bundle: Bundle) -> None:
    load_predictor(bundle)
    entry(cache).chmod(0o777)
    assert load_predictor(bundle)._network is not None
    assert load_predictor(bundle)._network is None


def test_other_weights_and_another_recipe_are_other_entries(cache: Path, tmp_path: Path) -> None:
    load_predictor(write_tiny_bundle(tmp_path / "a", tiny_recipe()))
    load_predictor(write_tiny_bundle(tmp_path / "b", tiny_recipe(seed=9)))
    assert len(entries(cache)) == 2
    load_predictor(open_bundle(tmp_path / "a"))
    assert len(entries(cache)) == 2


def test_no_more_entries_are_kept_than_are_used(cache: Path, tmp_path: Path, bundle: Bundle) -> None:
    for number in range(KEPT + 2):
        old = cache / f"old{number}"
        old.mkdir(parents=True)
        os.utime(old, (number, number))
    load_predictor(bundle)
    assert len(entries(cache)) == KEPT
    assert not (cache / "old0").exists()
    assert load_predictor(bundle)._network is None


def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    assert load_predictor(bundle).logits(list(GREY)).shape == (3, len(bundle.recipe.classes))


def test_keras_is_asked_for_gradients_only(cache: Path, bundle: Bundle) -> None:
    load_predictor(bundle)
    predictor = load_predictor(bundle)
    inputs = predictor.inputs(list(GREY))
    logits, gradient = predictor.input_gradient(inputs, np.zeros(3, np.int64))
    assert gradient.shape == inputs.shape
    np.testing.assert_allclose(logits, predictor.logits_of(inputs), atol=1e-4)
