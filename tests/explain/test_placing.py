"""Cells are drawn where the network looks: tried with a blob that moves, and with the gradient."""

import keras
import numpy as np
import pytest

from core.errors import StageLensError
from core.explain.placing import drawn_at
from core.networks.architectures.backbones import BACKBONES
from core.networks.backend import compile_gradient
from core.networks.inference.predictor import Predictor
from core.networks.inference.receptive_fields import cell_centres, stretched
from core.networks.inference.submodels import layers_of, split_at

from .networks import predictor_of

HEIGHT, WIDTH, THIN = 104, 88, 48
QUICK = ("tiny", "tiny3d", "simple2dcnn", "resnet18", "mobilenetv2")


def network_of(backbone: str) -> Predictor:
    if BACKBONES[backbone].dimensions == 3:
        return predictor_of(backbone, height=THIN, width=THIN, depth=HEIGHT)
    return predictor_of(backbone, height=HEIGHT, width=WIDTH)


@pytest.mark.parametrize(("backbone", "within"), [("tiny", 3.0), ("simple2dcnn", 1.0), ("resnet50", 2.0)])
def test_what_is_drawn_of_a_moving_blob_moves_with_it(backbone: str, within: float) -> None:
    predictor, shape = network_of(backbone), (HEIGHT, WIDTH)
    noise = np.random.default_rng(0).uniform(0, 255, (1, *shape, 1)).astype(np.float32)
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    rows = np.arange(16, HEIGHT - 15, 8)
    for layer in layers_of(predictor.network)[-3:]:
        before, found = predictor.activations(noise, layer), []
        for row in rows:
            blob = 120 * np.exp(-((down - row) ** 2 + (across - WIDTH / 2) ** 2) / 32)[None, ..., None]
            moved = np.abs(predictor.activations(noise + blob.astype(np.float32), layer) - before).sum(axis=-1)
            heat = drawn_at(moved, predictor.cell_centres(layer), stretched(shape, shape))[0]
            strong = np.maximum(heat - heat.max() / 2, 0)
            found.append(float((strong.sum(axis=1) * np.arange(HEIGHT)).sum() / strong.sum()))
        away = np.array(found) - rows
        assert np.abs(away).mean() <= within, layer
        assert np.polyfit(rows, found, 1)[0] == pytest.approx(1, abs=0.1), layer  # as far as the blob moves


@pytest.mark.parametrize(
    "backbone",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in BACKBONES
        if "by_hand" not in name
    ],
)
def test_a_middle_cell_lies_where_its_gradient_does(backbone: str) -> None:
    """The middle of what a cell sees, from strides and padding, is the centre of its gradient, measured."""
    predictor = network_of(backbone)
    network = predictor.network
    scans = np.random.default_rng(0).uniform(0, 255, (3, *network.input_shape)).astype(np.float32)
    for layer in layers_of(network)[-2:]:
        lower, _ = split_at(network, layer)
        cells = tuple(lower.output.shape[1:-1])
        if min(cells) < 2:
            continue
        squares = keras.ops.sum(keras.ops.square(lower.output), axis=-1)
        gradient = compile_gradient(keras.Model(lower.input, keras.layers.Reshape((int(np.prod(cells)),))(squares)))
        middle, seen = ((cells[0] - 1) // 2, cells[0] // 2), []
        for row in middle:
            cell = int(np.ravel_multi_index((row, *(count // 2 for count in cells[1:])), cells))
            slopes = np.abs(gradient(scans, np.full(len(scans), cell))[1])
            by_row = slopes.sum(axis=tuple(axis for axis in range(slopes.ndim) if axis != 1)).astype(float)
            seen.append((by_row * np.arange(len(by_row))).sum() / by_row.sum())
        assert np.mean(seen) == pytest.approx(predictor.cell_centres(layer)[0][list(middle)].mean(), abs=3), layer


def test_resnet50_looks_at_multiples_of_its_stride() -> None:
    network = network_of("resnet50").network
    rows, columns = cell_centres(network, network.target_layer)
    assert rows.tolist() == [0, 32, 64, 96]
    assert columns.tolist() == [0, 32, 64]
    with pytest.raises(StageLensError, match="there is no layer 'conv9'"):
        cell_centres(network, "conv9")


def test_a_map_is_linear_between_its_cells_and_constant_beyond_them() -> None:
    drawn = drawn_at(
        np.array([[[0.0, 4.0]]], np.float32), (np.array([2.0]), np.array([1.0, 3.0])), stretched((2, 6), (2, 6))
    )
    np.testing.assert_allclose(drawn, [[[0, 0, 2, 4, 4, 4]] * 2])
    assert drawn.dtype == np.float32
