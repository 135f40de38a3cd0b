import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import BundleError
from core.files import write_json
from core.networks.architectures.network import build_network
from core.networks.backend import compile_forward
from core.networks.bundle import OOD_FILE, WEIGHTS_FILE, Bundle, bundle_names, check_digests, open_bundle
from core.networks.card import CARD_FILE
from core.networks.inference.loading import load_predictor
from core.networks.weights.bundle_files import round_weights, write_bundle
from core.results import write
from core.runs.jobs import promote

from ..conftest import ROOT, SAMPLES, tiny_card, tiny_metrics, tiny_recipe, write_tiny_bundle


def test_a_bundle_is_found_by_name_by_folder_and_by_default(models: Path) -> None:
    assert bundle_names() == ["tiny"]
    assert open_bundle().name == open_bundle("tiny").name == open_bundle(models / "tiny").name == "tiny"


def test_an_unknown_model_lists_the_known(models: Path) -> None:
    with pytest.raises(BundleError, match="there is no model huge; known are tiny"):
        open_bundle("huge")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "../evil"}, "name: String should match pattern"),
        ({"by_slice": {**write(replace(tiny_metrics("slice"), classes=("one",)))}}, "lists 1 classes"),
        ({"format": 99}, "format 99"),
        ({"recipe": {"name": "x"}}, "title"),
        ({"limits": None}, "limits"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_card_that_contradicts_itself_is_rejected(
    tiny_bundle: Bundle, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    card = {**tiny_bundle.card.as_dict(), **change}
    card = {key: value for key, value in card.items() if value is not None}
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match=said):
        open_bundle(tmp_path)


def test_a_damaged_card_or_missing_weights_are_one_sentence(tiny_bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_bundle.folder, copy)
    (copy / "weights.safetensors").unlink()
    with pytest.raises(BundleError, match="no weights file"):
        load_predictor(open_bundle(copy))
    (copy / "card.json").write_text("{")
    with pytest.raises(BundleError, match="damaged"):
        open_bundle(copy)


def test_weights_are_rounded_only_while_probabilities_stay() -> None:
    network = build_network(tiny_recipe())
    scans = np.random.default_rng(0).uniform(0, 255, (8, 48, 40, 1)).astype(np.float32)
    forward = compile_forward(network)
    tensors, done = round_weights(network, forward, scans)
    assert done.dtype == "float16"
    assert done.moved_by < 0.005
    assert {value.dtype.name for value in tensors.values() if value.ndim > 1} == {"float16"}
    assert {value.dtype.name for value in tensors.values() if value.ndim == 1} == {"float32"}
    network.whole.weights[0].assign(np.full(network.whole.weights[0].shape, 1e6))  # beyond float16
    tensors, done = round_weights(network, forward, scans)
    assert done.dtype == "float32"


def test_a_folder_that_is_no_bundle_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="is not a bundle"):
        write_bundle(tmp_path / "mine", {}, tiny_card(tiny_recipe()))
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_bundle_whose_weights_were_replaced_is_refused_and_older_cards_are_read(tmp_path: Path) -> None:
    bundle, other = (write_tiny_bundle(tmp_path / name, tiny_recipe(seed=seed)) for seed, name in enumerate("ab"))
    assert set(bundle.card.digests) == {WEIGHTS_FILE}
    load_predictor(open_bundle(promote(bundle.folder, tmp_path / "models", "promoted")))
    shutil.copy(other.folder / WEIGHTS_FILE, bundle.folder / WEIGHTS_FILE)
    with pytest.raises(BundleError, match=r"weights\.safetensors of tiny is not the file whose tests are on its card"):
        load_predictor(open_bundle(bundle.folder))
    values = bundle.card.as_dict()
    del values["digests"]
    write_json(bundle.folder / CARD_FILE, values)
    load_predictor(open_bundle(bundle.folder))


def test_the_shipped_card_knows_its_files() -> None:
    bundle = open_bundle(ROOT / "models" / "alzheimer_resnet50_small")
    assert set(bundle.card.digests) == {WEIGHTS_FILE, OOD_FILE}
    check_digests(bundle)


def test_predictions_are_probabilities_by_class(tiny_bundle: Bundle) -> None:
    from core.scans import read_scan_file

    scans = [read_scan_file(path) for path in sorted(SAMPLES.glob("*.png"))]
    predictions = load_predictor(tiny_bundle).predict(scans)
    assert [prediction.scan for prediction in predictions] == [scan.name for scan in scans]
    for prediction in predictions:
        assert list(prediction.probabilities) == list(tiny_bundle.recipe.classes)
        assert sum(prediction.probabilities.values()) == pytest.approx(1)


def test_exports_give_the_logits_of_the_bundle(tiny_bundle: Bundle, tmp_path: Path) -> None:
    import keras

    pytest.importorskip("tf2onnx", reason="ONNX is written with TensorFlow only")
    onnxruntime = pytest.importorskip("onnxruntime", reason="there is no wheel for this Python")
    from core.workflows.export import export_bundle

    keras_file, onnx_file = export_bundle(tiny_bundle, tmp_path, ["keras", "onnx"])
    predictor = load_predictor(tiny_bundle)
    grey = np.random.default_rng(1).uniform(0, 255, (70, 60)).astype(np.float32)
    expected = predictor.logits([grey])
    np.testing.assert_allclose(
        np.asarray(keras.saving.load_model(keras_file)(grey[None, ..., None])), expected, atol=1e-4
    )
    session = onnxruntime.InferenceSession(onnx_file)
    (logits,) = session.run(None, {"grey_scan": predictor.network.fit_size([grey])})
    np.testing.assert_allclose(logits, expected, atol=1e-3)


def test_an_unknown_export_format_is_one_sentence(tiny_bundle: Bundle, tmp_path: Path) -> None:
    from core.workflows.export import export_bundle

    with pytest.raises(BundleError, match="known are keras, onnx"):
        export_bundle(tiny_bundle, tmp_path, ["pickle"])


def test_a_network_of_one_channel_is_exported_too(tmp_path: Path) -> None:
    import onnxruntime

    from core.networks.export import save_onnx

    network = build_network(tiny_recipe(backbone="simple2dcnn"))
    save_onnx(network, tmp_path / "network.onnx")
    scans = np.random.default_rng(0).uniform(0, 255, (2, *network.input_shape)).astype(np.float32)
    (logits,) = onnxruntime.InferenceSession(tmp_path / "network.onnx").run(None, {"grey_scan": scans})
    np.testing.assert_allclose(logits, np.asarray(network.whole(scans, training=False)), atol=1e-4)
