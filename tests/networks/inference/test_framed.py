"""Pictures as data sets and viewers hold them, read by the shipped network: brought into its frame, or said why not."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from core.cohorts import split_by_subject
from core.cohorts.synthetic.copies import exported
from core.networks.bundle import bundle_names, open_bundle
from core.networks.inference.framed import framed
from core.networks.inference.loading import load_predictor
from core.networks.inference.predictor import Predictor
from core.scans import Scan, read_scan_file
from core.scans.framing import (
    FRAME,
    LEVELLED,
    PLACED,
    UNSQUEEZED,
    flipped,
    head_box,
    is_clearly_upright,
    is_in_place,
    levelled,
    unsqueezed,
)
from core.workflows.predict import predict_scans

from ...conftest import SAMPLES, audited

Picture = NDArray[np.uint8]


def scan_of(picture: Picture) -> Scan:
    return Scan(np.float32(picture), (0.0, 255.0), f"scan-{picture.shape}", "a picture")


needs_model = pytest.mark.skipif(not bundle_names(), reason="no model in models/")


@pytest.fixture(scope="module")
def slice_() -> Picture:
    return read_scan_file(SAMPLES / "icbm_template_z16.png").picture()


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return load_predictor(open_bundle())


def squeezed(picture: Picture, side: int = 128) -> Picture:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


@pytest.mark.parametrize("side", [128, 224, 500])
def test_a_squeezed_head_gets_its_true_shape_back(slice_: Picture, side: int) -> None:
    scan = scan_of(squeezed(slice_, side))
    straight = unsqueezed(scan)
    assert straight is not None
    assert straight.warnings == (UNSQUEEZED,)
    assert straight.voxels.shape[0] / straight.voxels.shape[1] == pytest.approx(FRAME[0] / FRAME[1], rel=0.01)
    back = cv2.resize(straight.voxels, FRAME[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(back - slice_).mean() < 6
    assert is_in_place(straight)


def test_heads_of_their_own_shape_and_brightness_stay(slice_: Picture) -> None:
    scan = scan_of(slice_)
    assert unsqueezed(scan) is None
    assert levelled(scan) is None
    assert is_in_place(scan)
    tall = np.pad(slice_, ((0, 0), (16, 16)))  # a square canvas around a head in its true shape
    assert unsqueezed(scan_of(tall)) is None
    assert head_box(np.zeros((50, 50), np.float32)) is None


def test_brightness_is_brought_to_that_of_the_training_slices(slice_: Picture) -> None:
    dark = levelled(scan_of(np.asarray(slice_ * 0.6, np.uint8)))
    assert dark is not None
    assert dark.warnings == (LEVELLED.format(than="darker"),)
    assert np.percentile(dark.grey()[dark.grey() > 20], 95) == pytest.approx(227.6, abs=2)


@needs_model
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (squeezed, UNSQUEEZED),
        (lambda one: one[6:-6, 6:-6], PLACED),
        (lambda one: np.pad(one, ((8, 8), (24, 24))), PLACED),
        (lambda one: exported(one), PLACED),
    ],
    ids=["squeezed", "cropped", "padded", "exported"],
)
def test_the_shipped_network_gives_a_slice_its_answer_however_it_was_cut(
    predictor: Predictor, slice_: Picture, make: object, said: str
) -> None:
    plain, changed = predict_scans([scan_of(slice_), scan_of(make(slice_))], predictor)  # type: ignore[operator]
    assert not plain.prediction.rejected
    assert plain.warnings == ()
    assert not changed.prediction.rejected
    assert said in changed.warnings
    for name, value in plain.prediction.probabilities.items():
        assert changed.prediction.probabilities[name] == pytest.approx(value, abs=0.25)


@needs_model
def test_an_exported_slice_with_the_front_up_is_rejected_until_it_is_flipped(
    predictor: Predictor, slice_: Picture
) -> None:
    scan = scan_of(exported(slice_[::-1]))
    (before,) = predict_scans([scan], predictor)
    assert before.prediction.rejected
    assert before.prediction.ood is not None
    assert before.prediction.ood.upside_down
    assert before.prediction.ood.turned <= before.prediction.ood.limit
    (after,) = predict_scans([flipped(scan)], predictor)
    assert not after.prediction.rejected


@needs_model
def test_what_a_file_says_of_its_orientation_is_believed(predictor: Predictor, slice_: Picture) -> None:
    known = Scan(np.float32(squeezed(slice_)), (0.0, 255.0), "scan-0", "DICOM", orientation="AL")
    assert framed(predictor, [known])[0].scan is known


def unseen(alzheimer_data: Path) -> pd.DataFrame:
    """Return a row a slice of people whom the shipped network never saw, with its path in both copies."""
    wide = audited(alzheimer_data / "alzheimer_mri_176x208").table
    split = split_by_subject(wide, seed=1)
    known = pd.read_csv(alzheimer_data / "alzheimer_people.csv")
    known = known.assign(path=[(alzheimer_data / path).as_posix() for path in known["path"]])
    both = known.merge(known, on=["person", "z"], suffixes=("", "_small"))
    both = both[both["path"].str.contains("176x208") & ~both["path_small"].str.contains("176x208")]
    return split[split["part"] == "test"].merge(both, on="path")


@needs_model
@pytest.mark.slow
def test_the_squeezed_copy_of_unseen_people_is_read_as_the_other_is(predictor: Predictor, alzheimer_data: Path) -> None:
    rows = unseen(alzheimer_data)
    assert len(rows) == 1280
    rows = rows.iloc[::8]
    readings = {
        name: predict_scans([read_scan_file(path) for path in rows[name]], predictor) for name in ("path", "path_small")
    }
    rejected = {name: np.mean([one.prediction.rejected for one in found]) for name, found in readings.items()}
    assert max(rejected.values()) <= 0.04, rejected
    answers = {name: np.array([one.prediction.answer for one in found]) for name, found in readings.items()}
    assert (answers["path"] == answers["path_small"]).mean() >= 0.9  # the noise of JPEG alone moves 1 to 4 in a hundred


def test_a_head_is_clearly_upright_and_never_one_turned_over() -> None:
    for path in sorted(SAMPLES.glob("*.png")):
        scan = read_scan_file(path)
        assert is_clearly_upright(scan), path.name
        assert not is_clearly_upright(flipped(scan)), path.name
    assert not is_clearly_upright(replace(scan, voxels=np.zeros((208, 176), np.float32)))
    disc = np.hypot(*np.mgrid[-104:104, -88:88]) < 70
    assert not is_clearly_upright(replace(scan, voxels=np.asarray(disc * 200, np.float32)))


def test_no_slice_of_the_set_that_is_turned_over_is_taken_for_upright(alzheimer_data: Path) -> None:
    files = sorted((alzheimer_data / "alzheimer_mri_176x208").rglob("*.jpg"))[::40]
    scans = [read_scan_file(path) for path in files]
    assert not any(is_clearly_upright(flipped(scan)) for scan in scans)
    assert np.mean([is_clearly_upright(scan) for scan in scans]) > 0.95  # the others cost a pass more
