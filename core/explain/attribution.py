"""From scans to explanations: the same steps for every method."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import StageLensError
from core.explain.anatomy import evidence_by_region
from core.explain.checks.reliability import checked
from core.explain.checks.sanity_report import sanity_report_of
from core.explain.explanation import Explainer, Explanation, ExplanationBatch, Floats
from core.explain.registry import explainer
from core.explain.targets import class_indices
from core.networks.inference.engine import stretched
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
        heights_mm: Height of each scan in standard space, if known; some methods need it.
        settings: Settings of the method, such as `baseline="blurred"`.

    Returns:
        N explanations with their cheap checks; one without positive evidence is empty.

    Raises:
        StageLensError: A class name is not one of the network's, the method or a setting is not known, or the method is
            not for such a model.
    """
    names = [scan.name for scan in scans]
    images = [scan.grey() for scan in scans]
    return explain_arrays(predictor, images, class_names, method, names=names, heights_mm=heights_mm, **settings)


def explain_arrays(
    predictor: Predictor,
    images: Sequence[Floats],
    class_names: Sequence[str | None],
    method: str = "grad-cam",
    *,
    names: Sequence[str] = (),
    heights_mm: Sequence[float | None] | None = None,
    **settings: Any,
) -> list[Explanation]:
    """Explain arrays of grey levels, H × W, or D × H × W for 3D networks; the rest as for `explain`."""
    record = explainer(method)
    chosen = record.checked_settings(settings)
    if predictor.recipe.morphometry is not None and not record.morphometric:
        raise StageLensError(
            f"{record.title} is for networks, and {predictor.bundle.name} is a morphometric model: its heatmap is the "
            "method contributions, which is exact."
        )
    wanted = class_indices(predictor.recipe, class_names)
    if not images:
        return []
    batch = ask(predictor, predictor.inputs(images), wanted, heights_mm=heights_mm)
    names = names or [f"scan {number}" for number in range(1, len(images) + 1)]
    return _explanations(record, batch, chosen, images=images, names=names)


def ask(
    predictor: Predictor,
    inputs: Floats,
    wanted: NDArray[np.int64],
    *,
    heights_mm: Sequence[float | None] | None = None,
) -> ExplanationBatch:
    """Run the one forward pass that every method needs.

    Args:
        predictor: The network.
        inputs: N scans at the network's size.
        wanted: int64, N, indices of classes; -1 for the predicted class.
        heights_mm: As in `ExplanationBatch`; None if no height is known.
    """
    feature_maps, logits = predictor.features_and_logits(inputs)
    return ExplanationBatch(
        predictor=predictor,
        inputs=inputs,
        classes=np.where(wanted < 0, logits.argmax(axis=1), wanted),
        feature_maps=feature_maps,
        logits=logits,
        heights_mm=heights_mm if heights_mm is not None else [None] * len(inputs),
    )


def _explanations(
    record: Explainer,
    batch: ExplanationBatch,
    settings: dict[str, Any],
    *,
    images: Sequence[Floats],
    names: Sequence[str],
) -> list[Explanation]:
    """Compute the attribution of a batch and make explanations of it, with their cheap checks."""
    attribution = record.compute(batch, **settings)
    predictor = batch.predictor
    sanity_report = sanity_report_of(predictor.bundle)
    wording = {"layer": predictor.target_layer, **settings, **attribution.settings}
    shape = predictor.input_shape[:-1]
    centres = predictor.cell_centres(attribution.layer) if attribution.layer else None
    predictions = predictor.predictions_of(names, batch.feature_maps, batch.logits)
    explanations = []
    for index, (image, prediction) in enumerate(zip(images, predictions, strict=True)):
        class_name = predictor.recipe.classes[batch.classes[index]]
        heatmap = np.ascontiguousarray(attribution.maps[index], np.float32)
        checks = dict(attribution.checks[index]) if attribution.checks else {}
        placed = centres or stretched(heatmap.shape, shape)
        regions = evidence_by_region(batch, index, heatmap, placed)
        if regions is not None:
            checks["evidence_by_region"] = regions
        cells = " × ".join(map(str, heatmap.shape))
        explanation = Explanation(
            heatmap=heatmap,
            scan_shape=tuple(image.shape),
            input_shape=shape,
            centres=placed,
            method=record.name,
            class_name=class_name,
            settings=settings | attribution.settings,
            prediction=prediction,
            shows=record.shows.format(**wording | {"class_name": class_name, "cells": cells}),
            checks=checks,
        )
        explanations.append(checked(explanation, image, sanity_report, record.known_to_fail))
    return explanations
