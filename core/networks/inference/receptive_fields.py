"""Where the cells of a layer lie in a network's input: at the centre of what each of them sees.

The output i of a convolution or pooling of size k, dilation d and stride s, with p pixels of padding in front, sees its
own input around s·i + d (k − 1) / 2 − p (Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural
Networks, Distill 2019). From layer to layer, cell i of an axis so comes to lie at start + step · i of the network's
input. That is not where it lies in a map stretched over the input: ResNet50's cells lie at 0, 32, 64 and 96 of 104
rows, not at 13, 39, 65 and 91.
"""

import math
from typing import Any, NamedTuple

import keras
import numpy as np

from core.errors import StageLensError
from core.networks.architectures.network import Network
from core.networks.inference.engine import Centres, stretched
from core.networks.inference.submodels import layers_of, sized_input


class _Axis(NamedTuple):
    """Cell i of an axis lies at start + step · i."""

    start: float
    step: float


def cell_centres(network: Network, layer: str) -> Centres:
    """Return where a layer's cells lie in the network's input.

    Args:
        network: The network.
        layer: One of `core.networks.inference.submodels.layers_of`.

    Returns:
        float64, one array an axis (rows, columns; depth first): the centre of each row of cells, in pixels of the
        input, from 0 for its first. May lie outside the input, where what a cell sees is mostly padding. Where a
        layer on the way mixes cells in a way that is not known, those of a map that is stretched over the input.

    Raises:
        StageLensError: The network cannot be cut at that layer.
    """
    known = layers_of(network)
    if layer not in known:
        raise StageLensError(f"there is no layer {layer!r} for heatmaps; this network has {', '.join(known)}.")
    at_target = layer == network.target_layer
    end = network.features.output if at_target else network.features.get_layer(layer).output
    shape, cells = network.input_shape[:-1], tuple(end.shape[1:-1])
    found = _followed(network.features, sized_input(network), end)
    if found is None:
        return stretched(cells, shape)
    return tuple(axis.start + axis.step * np.arange(count) for axis, count in zip(found, cells, strict=True))


def _followed(model: keras.Model, start: keras.KerasTensor, end: keras.KerasTensor) -> list[_Axis] | None:
    """Follow where cells lie from one of a model's tensors to another; None if that cannot be told."""
    at: dict[int, list[_Axis]] = {id(start): [_Axis(0.0, 1.0)] * (len(start.shape) - 2)}
    last: dict[tuple[int, ...], list[_Axis]] = {}  # by the cells along each axis, for layers that flatten them
    for layer in model.operations:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        given, output = _tensors(layer.input), _tensors(layer.output)[0]
        cells = tuple(output.shape[1:-1])
        known = [tensor for tensor in given if id(tensor) in at and len(tensor.shape) == len(output.shape)]
        if len(given) > 1:  # branches that meet; one that holds a single value for all cells moves none
            meeting = [at[id(tensor)] for tensor in known if tuple(tensor.shape[1:-1]) == cells]
            axes = [_Axis(*np.mean(branches, axis=0)) for branches in zip(*meeting, strict=True)] or None
        else:
            axes = _moved(layer, at[id(known[0])]) if known else None
        axes = axes if axes is not None else last.get(cells)
        if axes is not None:
            at[id(output)] = last[cells] = axes
    return at.get(id(end))


def _moved(layer: Any, axes: list[_Axis]) -> list[_Axis] | None:
    """Return where a layer's cells lie, given where those of its input do; None where it mixes them otherwise."""
    count, sides = len(axes), tuple(_tensors(layer.input)[0].shape[1:-1])
    size = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    if size is not None and hasattr(layer, "strides"):
        windows = (_each(one, count) for one in (size, layer.strides, getattr(layer, "dilation_rate", 1)))
        moved = []
        for axis, wide, stride, apart, side in zip(axes, *windows, sides, strict=True):
            reach = apart * (wide - 1)
            short = (math.ceil(side / stride) - 1) * stride + reach + 1 - side
            padded = max(short, 0) // 2 if layer.padding == "same" else 0
            moved.append(_Axis(axis.start + axis.step * (reach / 2 - padded), axis.step * stride))
        return moved
    for kind, border, sign in (("ZeroPadding", "padding", -1), ("Cropping", "cropping", 1)):
        if kind in type(layer).__name__:
            fronts = [sign * ends[0] for ends in getattr(layer, border)]
            return [_Axis(axis.start + axis.step * front, axis.step) for axis, front in zip(axes, fronts, strict=True)]
    return axes if tuple(_tensors(layer.output)[0].shape[1:-1]) == sides else None


def _each(value: Any, count: int) -> tuple[int, ...]:
    return (value,) * count if isinstance(value, int) else tuple(value)


def _tensors(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [given]
