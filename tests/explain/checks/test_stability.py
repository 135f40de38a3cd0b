import json

import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from core.errors import StageLensError
from core.explain.checks.perturbations import NAMES, PERTURBATIONS, Perturbation, moved, rescaled
from core.explain.checks.stability import stability
from core.networks.inference.predictor import Predictor
from core.networks.recipe import Head
from core.scans import Scan, read_scan_file

from ...conftest import CLASSES, SAMPLES
from ..networks import cells_predictor, shared


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return shared("tiny", height=104, width=88)


@pytest.fixture(scope="module")
def scan() -> Scan:
    return read_scan_file(SAMPLES / "icbm_marked_z16.png")


def test_no_change_is_perfectly_stable(predictor: Predictor, scan: Scan) -> None:
    strengths = dict.fromkeys(("gaussian noise", "brightness", "shift", "rotation"), 0.0)
    found = stability(predictor, scan, kinds=list(strengths), copies=2, strengths=strengths)
    for kind in found.kinds.values():
        assert kind.measures["ssim"].mean == pytest.approx(1, abs=1e-5)
        assert kind.measures["pearson"].mean == pytest.approx(1, abs=1e-5)
        assert kind.measures["moved"].mean == pytest.approx(0, abs=1e-3)
        assert kind.max_sensitivity == pytest.approx(0, abs=1e-3)
        assert kind.class_held == 1
    assert found.variability.max() <= 1e-3 * found.reference.max()


@pytest.mark.parametrize("name", NAMES)
def test_every_change_is_measured_with_interval_and_null(name: str, predictor: Predictor, scan: Scan) -> None:
    found = stability(predictor, scan, CLASSES[0], kinds=[name], copies=4)
    kind = found.kinds[name]
    for measure in ("ssim", "pearson", "spearman", "top"):
        spread = kind.measures[measure]
        assert spread.interval[0] <= spread.mean <= spread.interval[1]
        assert spread.null is not None
        assert spread.n == 4
    assert kind.max_sensitivity > 0
    assert 0 <= kind.class_held <= 1
    assert found.class_name == CLASSES[0]
    json.dumps(found.as_dict(), allow_nan=False)


def test_stronger_noise_is_less_stable(predictor: Predictor, scan: Scan) -> None:
    kind = "gaussian noise"
    weak, strong = (
        stability(predictor, scan, method="input-x-gradient", kinds=[kind], copies=3, strengths={kind: strength}).kinds[
            kind
        ]
        for strength in (0.001, 0.2)
    )
    assert weak.measures["pearson"].mean > strong.measures["pearson"].mean
    assert weak.max_sensitivity < strong.max_sensitivity


def test_an_empty_heatmap_is_never_called_stable(scan: Scan) -> None:
    dead = cells_predictor(np.array([[-1.0, 0, 0, 0], [-1.0, 0, 0, 0]]), np.zeros(4))
    found = stability(dead, scan, CLASSES[0], copies=2)
    assert found.reference.max() == 0
    assert found.verdict.startswith("No map to test")
    assert not found.holds
    for kind in found.kinds.values():
        assert np.isnan(kind.measures["ssim"].mean)
        assert kind.measures["ssim"].n == 0


def test_the_shift_of_the_centre_is_in_mm_if_the_scan_has_a_spacing(predictor: Predictor, scan: Scan) -> None:
    from dataclasses import replace

    pixels = stability(predictor, scan, kinds=["shift"], copies=2)
    millimetres = stability(predictor, replace(scan, spacing_mm=(2.0, 2.0)), kinds=["shift"], copies=2)
    assert (pixels.unit, millimetres.unit) == ("pixels", "mm")
    ratio = millimetres.kinds["shift"].measures["moved"].mean / pixels.kinds["shift"].measures["moved"].mean
    assert ratio == pytest.approx(2)


@pytest.mark.parametrize("change", [one for one in PERTURBATIONS if one.motion], ids=lambda one: one.name)
def test_what_was_moved_is_moved_back(change: Perturbation) -> None:
    y, x = np.mgrid[:60, :50]
    image = np.exp(-((y - 12) ** 2 + (x - 14) ** 2) / 30).astype(np.float32)
    assert change.motion is not None
    matrix = change.motion(change.strength, np.random.default_rng(0), image.shape)
    there = moved(image, matrix)
    assert np.abs(there - image).max() > 0.05
    assert np.abs(moved(there, np.linalg.inv(matrix)) - image).max() < 0.05
    cells, seen = (one.reshape(12, 5, 10, 5).mean(axis=(1, 3)) for one in (image, there))
    back = moved(seen, rescaled(np.linalg.inv(matrix), image.shape, seen.shape))
    np.testing.assert_allclose(center_of_mass(back), center_of_mass(cells), atol=0.1)


def test_unknown_names_are_rejected(scan: Scan) -> None:
    deep = shared("tiny", height=64, width=64, head=Head(dense=(8,)))
    with pytest.raises(StageLensError, match="there is no change 'fog'; known are gaussian noise"):
        stability(deep, scan, kinds=["fog"])
    with pytest.raises(StageLensError, match="dropout can be tried with grad-cam"):
        stability(deep, scan, kinds=["dropout"])
