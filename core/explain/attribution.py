"""From scans to explanations: one road for every method."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.explain.anatomy import evidence_by_region
from core.explain.checks.reliability import checked
from core.explain.checks.sanity_report import certificate_of
from core.explain.explanation import Asked, Explainer, Explanation, Floats
from core.explain.registry import explainer
from core.explain.targets import class_places
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
    greys = [scan.grey() for scan in scans]
    return explain_greys(predictor, greys, class_names, method, names=names, heights_mm=heights_mm, **settings)


def explain_greys(
    predictor: Predictor,
    greys: Sequence[Floats],
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
    wanted = class_places(predictor.network.recipe, class_names)
    if not greys:
        return []
    asked = ask(predictor, predictor.fitted(greys), wanted, heights_mm=heights_mm)
    return finished(record, asked, chosen, greys, names or [f"scan {n}" for n in range(1, len(greys) + 1)])


def ask(
    predictor: Predictor,
    fitted: Floats,
    wanted: NDArray[np.int64],
    *,
    heights_mm: Sequence[float | None] | None = None,
) -> Asked:
    """Run the one pass that every method needs.

    Args:
        predictor: The network.
        fitted: N fitted scans.
        wanted: int64, N, places of classes; -1 for the class predicted.
        heights_mm: As in `Asked`; None for nothing known.
    """
    feature_maps, logits = predictor.features_and_logits(fitted)
    classes = np.where(wanted < 0, logits.argmax(axis=1), wanted)
    heights = heights_mm if heights_mm is not None else [None] * len(fitted)
    return Asked(predictor, fitted, classes, feature_maps, logits, heights)


def finished(
    record: Explainer, asked: Asked, settings: dict[str, Any], greys: Sequence[Floats], names: Sequence[str]
) -> list[Explanation]:
    """Compute the heat of what was asked and make explanations of it, cheap checks included."""
    heat = record.compute(asked, **settings)
    recipe, bundle = asked.predictor.network.recipe, asked.predictor.bundle
    certificate = certificate_of(bundle)
    said = {"layer": asked.predictor.network.target_layer, **settings, **heat.settings}
    explanations = []
    for place, (grey, name) in enumerate(zip(greys, names, strict=True)):
        class_name = recipe.classes[asked.classes[place]]
        heatmap = np.ascontiguousarray(heat.maps[place], np.float32)
        own = dict(heat.checks[place]) if heat.checks else {}
        regions = evidence_by_region(asked, place, heatmap)
        if regions is not None:
            own["evidence_by_region"] = regions
        explanation = Explanation(
            heatmap=heatmap,
            scan_shape=tuple(grey.shape),
            input_shape=asked.predictor.network.input_shape[:-1],
            method=record.name,
            class_name=class_name,
            settings=settings | heat.settings,
            prediction=asked.predictor.said(name, asked.feature_maps[[place]], asked.logits[place]),
            shows=record.shows.format(
                **said | {"class_name": class_name, "cells": " × ".join(map(str, heatmap.shape))}
            ),
            checks=own,
        )
        explanations.append(checked(explanation, grey, certificate, record.known_to_fail))
    return explanations
