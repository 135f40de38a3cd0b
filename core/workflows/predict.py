"""Reading scans for people: the loaded networks, and prediction with explanation in one go."""

import functools
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import StageLensError
from core.explain import explain, explain_arrays, explainer
from core.explain.cams import resized
from core.explain.reading import Reading
from core.networks.bundle import open_bundle
from core.networks.inference.predictor import Predictor, load_predictor
from core.networks.inference.submodels import layers_of
from core.scans import Scan
from core.scans.planes import as_network_slice
from core.scans.registration.standard_space import axial_slices
from core.workflows.head_volumes import heights_of, heights_of_whole, slices_of_whole, standard_head, whole_of

LOADED_AT_ONCE = 4
_loading = threading.Lock()


def predictor_of(name: str | Path | None = None) -> Predictor:
    """Return a bundle's network, loaded once per process and warmed up.

    Raises:
        BundleError: There is no such bundle, or it is damaged.
    """
    bundle = open_bundle(name)
    with _loading:
        return _load(str(bundle.folder), (bundle.folder / "card.json").stat().st_mtime_ns)


def layers_of_model(name: str) -> tuple[str, ...]:
    """Return the layers of a bundle's network that heatmaps can be made at, from the finest to the coarsest."""
    return layers_of(predictor_of(name).network)


def predict_scans(scans: Sequence[Scan], predictor: Predictor) -> list[Reading]:
    """Predict scans without explaining them; arguments and errors as for `read_scans`."""
    images = [_as_seen(scan, predictor) for scan in scans if not scan.is_volume]
    predicted = iter(zip(images, predictor.predict(images), strict=True))
    readings = []
    for scan in scans:
        if scan.is_volume:
            readings.append(_predict_volume(scan, predictor))
        else:
            image, prediction = next(predicted)
            readings.append(Reading(scan, prediction, (image,)))
    return readings


def read_scans(
    scans: Sequence[Scan],
    predictor: Predictor,
    *,
    class_name: str | None = None,
    method: str = "grad-cam",
    height_mm: float | None = None,
    **settings: Any,
) -> list[Reading]:
    """Predict and explain scans.

    A volume is brought into standard space, read slice by slice in the range the network was trained on, and combined
    as its recipe says; each of these slices is explained for the class of the whole. Networks that read whole volumes
    explain them whole, and the heatmap is cut into slices for looking at.

    Args:
        scans: Any number of images and volumes.
        predictor: A loaded bundle.
        class_name: The class to explain; None for the predicted one of each scan.
        method: Name of the explanation method.
        height_mm: Height of the images in standard space, where it is known; some methods need it.
        settings: Of the method.

    Raises:
        NoHead: A volume did not come to lie in standard space.
        StageLensError: The class, the method or a setting is not known, or the network does not read such a scan.
    """
    explainer(method).checked_settings(settings)  # says no before a volume is registered
    whole = predictor.network.recipe.depth is not None
    images = [_as_seen(scan, predictor) for scan in scans if not scan.is_volume]
    if images and whole:
        raise StageLensError(f"{predictor.bundle.name} reads whole volumes, not single pictures.")
    heights = [height_mm] * len(images)
    maps = explain(predictor, images, [class_name] * len(images), method, heights_mm=heights, **settings)
    said = predictor.held_upright([one.prediction for one in maps], images)
    explained = iter(zip(images, maps, said, strict=True))
    readings = []
    for scan in scans:
        if not scan.is_volume:
            image, explanation, prediction = next(explained)
            readings.append(Reading(scan, prediction, (image,), (explanation,)))
            continue
        if whole:
            readings.append(_read_whole(scan, predictor, class_name, method, settings=settings))
            continue
        reading = _predict_volume(scan, predictor)
        shown = [class_name or reading.prediction.answer] * len(reading.slices)
        explanations = explain(
            predictor, reading.slices, shown, method, heights_mm=reading.prediction.heights_mm, **settings
        )
        readings.append(
            Reading(
                scan=scan,
                prediction=reading.prediction,
                slices=reading.slices,
                explanations=tuple(explanations),
                head=reading.head,
            )
        )
    return readings


def _read_whole(
    scan: Scan, predictor: Predictor, class_name: str | None, method: str, settings: dict[str, Any]
) -> Reading:
    """Explain a volume with a network that reads it whole; the heatmap is cut where the volume's slices lie."""
    head = standard_head(scan)
    volume = whole_of(head, predictor.network.recipe)
    (found,) = explain_arrays(predictor, [volume], [class_name], method, names=[scan.name], **settings)
    heights = heights_of_whole(predictor.network.recipe, len(volume))
    slices, prediction = (
        slices_of_whole(scan.name, volume, heights),
        replace(found.prediction, heights_mm=tuple(heights)),
    )
    plane = volume.shape[1:]
    heat = resized(found.heatmap[None], (len(volume), *found.heatmap.shape[1:]))[0]
    explanations = tuple(replace(found, heatmap=one, scan_shape=plane, input_shape=plane) for one in heat)
    return Reading(scan=scan, prediction=prediction, slices=slices, explanations=explanations, head=head)


def _as_seen(scan: Scan, predictor: Predictor) -> Scan:
    """Return an image the way round its network knows, if the network cares."""
    return scan if predictor.network.recipe.slices is None else as_network_slice(scan)


def _predict_volume(scan: Scan, predictor: Predictor) -> Reading:
    recipe = predictor.network.recipe
    if recipe.depth is not None:
        head = standard_head(scan)
        return Reading(scan, predictor.predict_whole(scan.name, whole_of(head, recipe)), (), head=head)
    heights = heights_of(recipe)
    head = standard_head(scan)
    slices = tuple(axial_slices(head, heights))
    return Reading(scan, predictor.predict_volume(scan.name, slices, heights.tolist()), slices, head=head)


@functools.lru_cache(maxsize=LOADED_AT_ONCE)
def _load(folder: str, changed: int) -> Predictor:
    del changed  # part of the key, so that a replaced bundle is loaded anew
    predictor = load_predictor(open_bundle(folder))
    predictor.warm_up()
    return predictor
