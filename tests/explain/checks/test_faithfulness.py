import json
from dataclasses import replace

import numpy as np
import pytest

from core.explain import explain_arrays
from core.explain.attribution import ask
from core.explain.checks.faithfulness import agreement, faithfulness
from core.explain.checks.randomisation import (
    cascading_randomisation,
    compare_networks,
    structural_similarity,
    summarised,
)
from core.networks.inference.predictor import Predictor
from core.scans import Scan, read_scan_file

from ...conftest import CLASSES, SAMPLES
from ..networks import cells_predictor, predictor_of, shared

# Two cells: only the top left one speaks for the first class, and strongly.
GREY = np.kron(np.array([[250.0, 40.0], [40.0, 40.0]]), np.ones((16, 16))).astype(np.float32)


@pytest.fixture(scope="module")
def cells() -> Predictor:
    return cells_predictor(np.array([[0.08, 0, 0, 0], [0.0, 0, 0, 0]]), np.array([-6.0, 0, 0, 0]))


@pytest.fixture(scope="module")
def scans() -> list[Scan]:
    return [read_scan_file(SAMPLES / f"icbm_{kind}_z16.png") for kind in ("template", "marked")]


def test_a_map_that_points_where_the_network_looks_passes_and_its_opposite_fails(cells: Predictor) -> None:
    (right,) = explain_arrays(cells, [GREY], [CLASSES[0]])
    batch = ask(cells, cells.inputs([GREY]), np.array([0]))
    found = faithfulness(batch, right)
    assert found.failed_checks == ()
    assert found.deletion.auc < found.deletion.random_aucs.min()
    assert found.insertion.auc > found.insertion.random_aucs.mean()
    wrong = replace(right, heatmap=right.heatmap.max() - right.heatmap)
    opposite = faithfulness(batch, wrong)
    assert len(opposite.failed_checks) == 2
    assert opposite.deletion.auc > found.deletion.auc
    json.dumps(found.as_dict(), allow_nan=False)


def test_the_curves_end_where_the_scan_is_gone_and_where_it_is_back(cells: Predictor) -> None:
    (map_,) = explain_arrays(cells, [GREY], [CLASSES[0]])
    batch = ask(cells, cells.inputs([GREY]), np.array([0]))
    found = faithfulness(batch, map_)
    whole = map_.prediction.probabilities[CLASSES[0]]
    (black,) = explain_arrays(cells, [np.zeros_like(GREY)], [CLASSES[0]])
    assert found.deletion.scores[0] == pytest.approx(whole, rel=1e-4)
    assert found.deletion.scores[-1] == pytest.approx(black.prediction.probabilities[CLASSES[0]], rel=1e-4)
    assert found.insertion.scores[-1] == pytest.approx(whole, rel=1e-4)


def test_infidelity_of_a_linear_network_vanishes_for_integrated_gradients() -> None:
    linear = shared("by_hand_linear")
    grey = np.random.default_rng(0).uniform(0, 255, (32, 32)).astype(np.float32)
    (exact,) = explain_arrays(linear, [grey], [CLASSES[0]], "integrated-gradients")
    found = faithfulness(ask(linear, linear.inputs([grey]), np.array([0])), exact)
    assert found.infidelity < 1e-6 * found.infidelity_of_zero_map


def test_methods_agree_with_themselves_and_the_table_is_symmetric(cells: Predictor) -> None:
    maps = [explain_arrays(cells, [GREY], [CLASSES[0]], name)[0] for name in ("grad-cam", "hires-cam", "occlusion")]
    table = agreement(maps)
    assert table["grad-cam"]["hires-cam"]["pearson"] == pytest.approx(1, abs=1e-5)
    assert table["grad-cam"]["occlusion"] == table["occlusion"]["grad-cam"]


def test_random_weights_change_gradient_maps_and_leave_a_planted_edge_detector_as_it_is(scans: list[Scan]) -> None:
    predictor = shared("tiny", height=104, width=88)
    for method in ("gradient", "input-x-gradient", "grad-cam"):
        found = cascading_randomisation(predictor, scans, method, steps=2)
        assert found.similarities.shape == (2, 2)
        assert found.similarities[-1].mean() < 0.3, method
    inputs = predictor.inputs([scans[0].grey()])[0, ..., 0]
    edges = np.abs(np.diff(inputs, axis=0, append=0)).astype(np.float32)
    assert structural_similarity(edges, edges * 0.01, inputs) == pytest.approx(1)  # it does not use the network
    assert not summarised([structural_similarity(edges, edges, inputs)] * 4).passed


def test_two_networks_of_the_same_weights_agree_and_others_do_not(scans: list[Scan]) -> None:
    one, same, other = (predictor_of("tiny", height=104, width=88, seed=seed) for seed in (3, 3, 4))
    assert compare_networks(one, same, scans, "input-x-gradient").similarity == pytest.approx(1, abs=1e-3)
    assert compare_networks(one, other, scans, "input-x-gradient").passed
