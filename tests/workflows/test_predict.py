import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from core.cohorts.preprocess import stacked
from core.errors import NoHead, StageLensError
from core.networks.bundle import WEIGHTS_FILE, Bundle, bundle_names
from core.networks.card import write_card
from core.networks.inference.aggregation import combined_logits
from core.networks.recipe import Slices
from core.networks.weights.bundle_files import write_bundle
from core.networks.weights.storage import load_tensors
from core.reporting.pictures.overlays import heatmap_picture, registration_check, save_pictures, slice_picture
from core.reporting.pictures.windowing import crosshair_picture, window_limits
from core.scans import Scan, read_scan, read_scan_file
from core.scans.planes import upright
from core.scans.registration.standard_space import AFFINE, ORIGIN_MM
from core.scans.writing import write_nifti
from core.workflows.predict import bundle_version, predict_scans, predictor_of, read_scans, standard_head

from ..cohorts.test_volume_cohorts import standard_brain
from ..conftest import CLASSES, tiny_recipe, write_tiny_bundle
from ..scans import volumes


@pytest.fixture(scope="module")
def reads_volumes(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A tiny network that reads ten slices of a volume."""
    recipe = tiny_recipe(name="tinyvolumes", slices=Slices(lowest_mm=0, highest_mm=9))
    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "tinyvolumes", recipe)


@pytest.fixture(scope="module")
def brain() -> np.ndarray:
    """A brain in standard space with a bright lesion in its left half, uint8."""
    voxels = np.clip(standard_brain() * 0.8, 0, 254).astype(np.uint8)
    x, y, z = (round(mm - origin) for mm, origin in zip((-35, -20, 5), ORIGIN_MM, strict=True))
    voxels[x - 6 : x + 6, y - 6 : y + 6, z - 5 : z + 5] = 255
    return voxels


def nifti_scan(voxels: np.ndarray, axes: str = "RAS") -> Scan:
    return read_scan({"a.nii": volumes.nifti(voxels, AFFINE, axes=axes)})


def test_a_volume_is_read_slice_by_slice_and_combined_as_the_recipe_says(
    reads_volumes: Bundle, brain: np.ndarray
) -> None:
    predictor = predictor_of(reads_volumes.folder)
    (reading,) = predict_scans([nifti_scan(brain)], predictor)
    prediction = reading.prediction
    assert prediction.heights_mm == tuple(range(10))
    assert prediction.slice_logits is not None
    assert prediction.slice_logits.shape == (10, 4)
    np.testing.assert_allclose(prediction.logits, prediction.slice_logits.mean(axis=0), rtol=1e-5)
    index = round(4 - ORIGIN_MM[2])
    assert reading.head is not None
    assert not reading.head.registered
    np.testing.assert_array_equal(reading.slices[4].voxels, reading.head.scan.voxels[::-1, :, index].T)


def test_the_same_head_gives_the_same_prediction_whichever_way_it_comes(
    reads_volumes: Bundle, brain: np.ndarray
) -> None:
    predictor = predictor_of(reads_volumes.folder)
    deep = brain.astype(np.int16)
    schemes = {
        "series": volumes.files(volumes.series(deep, AFFINE)),
        "zip": {"a.zip": volumes.zipped(volumes.files(volumes.series(deep, AFFINE)))},
        "nifti": {"a.nii": volumes.nifti(deep, AFFINE)},
        "turned nifti": {"a.nii": volumes.nifti(deep, AFFINE, axes="LPS")},
        "analyze": analyze_of_grid(deep),
    }
    readings = {name: predict_scans([read_scan(files)], predictor)[0] for name, files in schemes.items()}
    expected = readings["nifti"].prediction.logits
    for name, reading in readings.items():
        np.testing.assert_array_equal(reading.scan.voxels, brain, err_msg=name)
        np.testing.assert_allclose(reading.prediction.logits, expected, atol=1e-4, err_msg=name)


def analyze_of_grid(voxels: np.ndarray) -> dict[str, bytes]:
    import nibabel

    header = nibabel.AnalyzeHeader(endianness=">")
    header.set_data_dtype(np.int16)
    header.set_data_shape(voxels.shape)
    header.set_zooms([1.0, 1.0, 1.0])
    return {"a.hdr": header.binaryblock, "a.img": voxels[::-1].astype(">i2").tobytes(order="F")}


@pytest.mark.parametrize("axes", ["RAS", "LAS", "LPS", "PIR", "SAL"])
def test_a_left_lesion_is_at_the_right_of_every_picture_and_its_heatmap_lies_over_it(
    reads_volumes: Bundle, brain: np.ndarray, axes: str
) -> None:
    (reading,) = read_scans([nifti_scan(brain, axes)], predictor_of(reads_volumes.folder))
    index = list(reading.prediction.heights_mm).index(5)
    picture = slice_picture(reading, index)
    bright = np.argwhere(picture >= 250)
    assert len(bright) > 50
    assert np.median(bright[:, 1]) > picture.shape[1] / 2
    seen = reading.slices[index]
    np.testing.assert_array_equal(upright(seen.picture(), seen.orientation), picture)
    if not reading.explanations[index].is_empty:
        drawn = heatmap_picture(reading, index, opacity=0.0)
        np.testing.assert_array_equal(drawn[..., 0], picture)
    assert reading.head is not None
    coronal = crosshair_picture(reading.head, "coronal", (60, -20, 60), window=(0, 255))
    lesion = np.argwhere((coronal >= 250).all(axis=-1))
    assert np.median(lesion[:, 1]) > coronal.shape[1] / 2


def test_pictures_of_a_volume_are_written_with_its_registration_check(
    reads_volumes: Bundle, brain: np.ndarray, tmp_path: Path
) -> None:
    (reading,) = read_scans([nifti_scan(brain)], predictor_of(reads_volumes.folder), class_name=CLASSES[1])
    files = save_pictures(reading, tmp_path, "head", opacity=0.5)
    assert np.load(files["heatmap"]).shape[0] == 10
    assert files["standard_space"].is_file()
    assert read_scan_file(files["scan"]).voxels.shape == (208, 176)
    assert {explanation.class_name for explanation in reading.explanations} == {CLASSES[1]}
    json.dumps(reading.as_dict(), allow_nan=False)


def test_the_registration_check_shows_before_and_after_and_the_window_spans_the_values(brain: np.ndarray) -> None:
    head = standard_head(nifti_scan(brain))
    check = registration_check(head)
    assert check.ndim == 3
    assert check.shape[0] > 2 * 200
    low, high, white = window_limits(head)
    assert low <= 0 < white < high


@pytest.mark.slow
def test_a_volume_that_is_no_head_gives_no_prediction(reads_volumes: Bundle) -> None:
    noise = np.random.default_rng(0).integers(0, 200, (60, 70, 60)).astype(np.int16)
    scan = read_scan({"a.nii": volumes.nifti(noise, np.diag([3.0, 3.0, 3.0, 1.0]))})
    with pytest.raises(NoHead, match="T1 scan of a head"):
        predict_scans([scan], predictor_of(reads_volumes.folder))


def test_a_network_of_single_pictures_refuses_volumes(tiny_bundle: Bundle, brain: np.ndarray) -> None:
    with pytest.raises(StageLensError, match="single pictures"):
        predict_scans([nifti_scan(brain)], predictor_of(tiny_bundle.folder))


def test_a_single_dicom_slice_is_turned_for_the_network_and_doubted(reads_volumes: Bundle) -> None:
    image = volumes.image(volumes.PICTURE, ImageOrientationPatient=[1, 0, 0, 0, 1, 0], ImagePositionPatient=[0, 0, 0])
    scan = read_scan({"a.dcm": volumes.dicom_bytes(image)})
    (reading,) = predict_scans([scan], predictor_of(reads_volumes.folder))
    np.testing.assert_array_equal(reading.slices[0].voxels, volumes.PICTURE[::-1])
    assert any("whole series" in warning for warning in reading.warnings)


@pytest.mark.parametrize(
    ("how", "expected"),
    [("mean_logit", [1.0, 1.0]), ("median_logit", [0.0, 1.0])],
)
def test_logits_are_combined_as_named(how: str, expected: list[float]) -> None:
    logits = np.array([[3.0, 0.0], [0.0, 2.0], [0.0, 1.0]], np.float32)
    np.testing.assert_allclose(combined_logits(logits, how), expected)


def test_mean_probability_is_the_mean_of_the_slices_probabilities() -> None:
    logits = np.array([[3.0, 0.0], [0.0, 2.0], [0.0, 1.0]], np.float32)
    np.testing.assert_allclose(
        softmax(combined_logits(logits, "mean_probability")), softmax(logits, axis=1).mean(axis=0), rtol=1e-5
    )


def test_a_real_person_gets_the_same_answer_from_volume_and_from_slices(alzheimer_data: Path, tmp_path: Path) -> None:
    if "alzheimer_resnet50_small" not in bundle_names():
        pytest.skip("no model in models/")
    predictor = predictor_of("alzheimer_resnet50_small")
    table = pd.read_csv(alzheimer_data / "alzheimer_people.csv")
    table = table[table["path"].str.startswith("alzheimer_mri_176x208/")]
    slices = table[table["person"] == table["person"].iloc[0]].sort_values("z", ascending=False)  # from below
    pictures = [read_scan_file(alzheimer_data / path) for path in slices["path"]]
    write_nifti(tmp_path / "a.nii.gz", *stacked(np.stack([picture.picture() for picture in pictures])))
    (reading,) = predict_scans([read_scan_file(tmp_path / "a.nii.gz")], predictor)
    expected = predictor.logits([picture.grey() for picture in pictures])
    assert reading.prediction.slice_logits is not None
    np.testing.assert_allclose(reading.prediction.slice_logits, expected, atol=1e-3)


def test_two_volumes_that_differ_in_anything_are_brought_into_standard_space_each(brain: np.ndarray) -> None:
    scan = nifti_scan(brain)
    moved = replace(scan, affine=AFFINE + np.array([[0, 0, 0, 0.5], *[[0.0] * 4] * 3]))
    noted = replace(scan, warnings=("Two files were skipped.",))
    heads = [standard_head(one) for one in (scan, moved, noted)]
    assert len({head.scan.warnings for head in heads}) == 2
    assert len({id(head) for head in heads}) == 3
    assert standard_head(replace(scan)) is heads[0]


def test_a_bundle_that_is_calibrated_or_trained_anew_is_loaded_anew(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny", tiny_recipe()).folder
    before, version = predictor_of(folder), bundle_version(folder)
    assert predictor_of(folder) is before
    write_card(folder, replace(before.bundle.card, date="2027-01-01"))
    calibrated = predictor_of(folder)
    assert calibrated.bundle.card.date == "2027-01-01"
    weights = {name: value + 1 for name, value in load_tensors(folder / WEIGHTS_FILE).items()}
    write_bundle(folder, weights, before.bundle.card)
    image = np.full((48, 40), 100, np.float32)
    assert not np.allclose(predictor_of(folder).logits([image]), before.logits([image]))
    assert bundle_version(folder) != version
