"""Shared by the class-activation methods: activations of a layer, the gradient there, and maps computed from both."""

import numpy as np
from numpy.typing import NDArray

from core.explain.explanation import ExplanationBatch, Floats


def activations_and_gradient(batch: ExplanationBatch, layer: str | None) -> tuple[Floats, Floats]:
    """Return a layer's activations A and ∂y_c/∂A.

    At the target layer of a network in which only pooling and one dense layer follow, the gradient has a closed form,
    W_kc / Z everywhere, and nothing is differentiated. Elsewhere only the part after the layer is differentiated.

    Args:
        batch: The scans to explain.
        layer: One of the predictor's layers; None for the target layer.

    Returns:
        float32, N × h × w × channels, and the same or N × 1 × 1 × channels.

    Raises:
        StageLensError: The network cannot be cut at that layer.
    """
    target, head = batch.predictor.target_layer, batch.predictor.linear_head
    if layer in (None, target) and head is not None:
        count = len(batch.classes)
        dropped = batch.kernel
        chosen = head[0].T[batch.classes] if dropped is None else dropped[np.arange(count), :, batch.classes]
        cells = int(np.prod(batch.feature_maps.shape[1:-1]))
        flat = (count, *(1,) * (batch.feature_maps.ndim - 2), chosen.shape[-1])
        return batch.feature_maps, np.asarray(chosen.reshape(flat) / cells, np.float32)
    return batch.predictor.layer_gradient(batch.inputs, batch.classes, layer or target)


def weighted(activations: Floats, weights: Floats) -> Floats:
    """Return ReLU(Σ_k w_k A^k).

    Args:
        activations: N × h × w × channels.
        weights: N × channels.
    """
    return np.asarray(np.maximum(np.einsum("n...k,nk->n...", activations, weights, optimize=True), 0), np.float32)


def unit_range(maps: Floats) -> NDArray[np.float32]:
    """Scale each map separately to [0, 1]; a constant one becomes 0."""
    axes = tuple(range(1, maps.ndim))
    low, high = maps.min(axis=axes, keepdims=True), maps.max(axis=axes, keepdims=True)
    return np.asarray((maps - low) / np.where(high > low, high - low, 1), np.float32)
