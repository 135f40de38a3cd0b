"""From scans to explanations: one road for every method."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.explain.anatomy import evidence_by_region
from core.explain.checks.reliability import checked
from core.explain.checks.sanity_report import sanity_report_of
from core.explain.explanation import Explainer, Explanation, ExplanationBatch, Floats
from core.explain.registry import explainer
from core.explain.targets import class_indices
from core.networks.inference.predictor import Predictor
from core.scans import Scan


def explain(
    predictor: Predictor,
    scans: Sequence[Scan],
    class_names: Sequence[str | None],
    method: str = "grad-cam",
    *,
    heights_mm: Sequence[float | None] | None = None,
    **settings: Any,
) -> list[Explanation]:
    """Explain scans, one class each.

    Args:
        predictor: A loaded bundle.
        scans: N images of any size, for a network that reads images.
        class_names: N class names; None for the class the network predicts.
        method: Name of the method.
        heights_mm: Height of each scan in standard space, where it is known; some methods need it.
        settings: Of the method, such as `baseline="blurred"`.

    Returns:
        N explanations with the cheap checks made; one without positive evidence is empty, never divided by zero.

    Raises:
        StageLensError: A class name is not one of the network's, or the method or a setting is not known.
    """
    names = [scan.name for scan in scans]
    intensities = [scan.grey() for scan in scans]
    return explain_arrays(predictor, intensities, class_names, method, names=names, heights_mm=heights_mm, **settings)


def explain_arrays(
    predictor: Predictor,
    intensities: Sequence[Floats],
    class_names: Sequence[str | None],
    method: str = "grad-cam",
    *,
    names: Sequence[str] = (),
    heights_mm: Sequence[float | None] | None = None,
    **settings: Any,
) -> list[Explanation]:
    """Explain grey arrays, H × W, or D × H × W for networks that read volumes; the rest as for `explain`."""
    record = explainer(method)
    chosen = record.checked_settings(settings)
    wanted = class_indices(predictor.network.recipe, class_names)
    if not intensities:
        return []
    batch = ask(predictor, predictor.inputs(intensities), wanted, heights_mm=heights_mm)
    return finished(record, batch, chosen, intensities, names or [f"scan {n}" for n in range(1, len(intensities) + 1)])


def ask(
    predictor: Predictor,
    inputs: Floats,
    wanted: NDArray[np.int64],
    *,
    heights_mm: Sequence[float | None] | None = None,
) -> ExplanationBatch:
    """Run the one pass that every method needs.

    Args:
        predictor: The network.
        inputs: N fitted scans.
        wanted: int64, N, places of classes; -1 for the class predicted.
        heights_mm: As in `ExplanationBatch`; None for nothing known.
    """
    feature_maps, logits = predictor.features_and_logits(inputs)
    classes = np.where(wanted < 0, logits.argmax(axis=1), wanted)
    heights = heights_mm if heights_mm is not None else [None] * len(inputs)
    return ExplanationBatch(predictor, inputs, classes, feature_maps, logits, heights)


def finished(
    record: Explainer,
    batch: ExplanationBatch,
    settings: dict[str, Any],
    intensities: Sequence[Floats],
    names: Sequence[str],
) -> list[Explanation]:
    """Compute the heat of what was asked and make explanations of it, cheap checks included."""
    heat = record.compute(batch, **settings)
    recipe, bundle = batch.predictor.network.recipe, batch.predictor.bundle
    sanity_report = sanity_report_of(bundle)
    said = {"layer": batch.predictor.network.target_layer, **settings, **heat.settings}
    explanations = []
    for index, (grey, name) in enumerate(zip(intensities, names, strict=True)):
        class_name = recipe.classes[batch.classes[index]]
        heatmap = np.ascontiguousarray(heat.maps[index], np.float32)
        own = dict(heat.checks[index]) if heat.checks else {}
        regions = evidence_by_region(batch, index, heatmap)
        if regions is not None:
            own["evidence_by_region"] = regions
        explanation = Explanation(
            heatmap=heatmap,
            scan_shape=tuple(grey.shape),
            input_shape=batch.predictor.network.input_shape[:-1],
            method=record.name,
            class_name=class_name,
            settings=settings | heat.settings,
            prediction=batch.predictor.said(name, batch.feature_maps[[index]], batch.logits[index]),
            shows=record.shows.format(
                **said | {"class_name": class_name, "cells": " × ".join(map(str, heatmap.shape))}
            ),
            checks=own,
        )
        explanations.append(checked(explanation, grey, sanity_report, record.known_to_fail))
    return explanations
