"""Reading scans for people: the loaded networks, and prediction with explanation in one go."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import StageLensError
from core.explain import explain, explain_arrays, explainer
from core.explain.placing import drawn_at
from core.explain.reading import Reading
from core.files import stamp
from core.networks.bundle import bundle_folder, open_bundle
from core.networks.inference.engine import stretched
from core.networks.inference.framed import Framed, framed
from core.networks.inference.loading import load_predictor
from core.networks.inference.predictor import Predictor
from core.networks.recipe import Recipe
from core.scans import Scan
from core.scans.planes import as_network_slice
from core.scans.registration.head import ORIGIN_MM, SHAPE

if TYPE_CHECKING:
    from core.scans.registration.head import StandardHead

KEPT = 4  # volumes in memory, 80 MB each
_kept: "OrderedDict[str, StandardHead]" = OrderedDict()
_looking, _making = threading.Lock(), threading.Lock()
LOADED_AT_ONCE = 4
_loaded: OrderedDict[str, tuple[str, Predictor]] = OrderedDict()  # by folder, with its version
_loading = threading.Lock()


def predictor_of(name: str | Path | None = None) -> Predictor:
    """Return a bundle's network, loaded once per process and warmed up.

    Raises:
        BundleError: There is no such bundle, or it is damaged.
    """
    open_bundle(name)  # says by its name what is wrong with it
    folder, version = bundle_version(name)
    with _loading:
        return _load(folder, version)


def bundle_version(name: str | Path | None = None) -> tuple[str, str]:
    """Return the folder of a bundle, and a text that is another one once any file in it is another.

    Both belong into the key of whatever is remembered about the bundle: a bundle that is calibrated, checked or
    trained anew keeps its name.

    Raises:
        BundleError: No name is given, and there is no default bundle.
    """
    folder = bundle_folder(name).resolve()
    return str(folder), stamp(folder)


def predict_scans(scans: Sequence[Scan], predictor: Predictor) -> list[Reading]:
    """Predict scans without explaining them; arguments and errors as for `read_scans`."""
    images = iter(_as_seen([scan for scan in scans if not scan.is_volume], predictor))
    readings = []
    for scan in scans:
        if scan.is_volume:
            readings.append(_predict_volume(scan, predictor))
        else:
            image = next(images)
            readings.append(Reading(scan, image.prediction(predictor), (image.scan,)))
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
    whole = predictor.recipe.depth is not None
    framed_images = _as_seen([scan for scan in scans if not scan.is_volume], predictor)
    images = [image.scan for image in framed_images]
    heights = [height_mm] * len(images)
    maps = explain(predictor, images, [class_name] * len(images), method, heights_mm=heights, **settings)
    explained = iter(zip(framed_images, maps, strict=True))
    readings = []
    for scan in scans:
        if not scan.is_volume:
            image, explanation = next(explained)
            readings.append(Reading(scan, image.prediction(predictor), (image.scan,), (explanation,)))
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
    volume = whole_of(head, predictor.recipe)
    (found,) = explain_arrays(predictor, [volume], [class_name], method, names=[scan.name], **settings)
    heights = heights_of_whole(predictor.recipe, len(volume))
    slices, prediction = (
        slices_of_whole(scan.name, volume, heights),
        replace(found.prediction, heights_mm=tuple(heights)),
    )
    plane = volume.shape[1:]
    (along,), across = stretched(volume.shape[:1], found.input_shape[:1]), found.centres[1:]
    heat = drawn_at(found.heatmap[None], found.centres, (along, *across))[0]
    explanations = tuple(
        replace(found, heatmap=one, scan_shape=plane, input_shape=found.input_shape[1:], centres=across) for one in heat
    )
    return Reading(scan=scan, prediction=prediction, slices=slices, explanations=explanations, head=head)


def _as_seen(scans: Sequence[Scan], predictor: Predictor) -> list[Framed]:
    """Return images the way round, and in the frame, that their network knows, and what it makes of them."""
    if scans and predictor.recipe.depth is not None:
        raise StageLensError(f"{predictor.bundle.name} reads whole volumes, not single pictures; give a volume.")
    of_heads = predictor.recipe.slices is not None
    return framed(predictor, [as_network_slice(scan) if of_heads else scan for scan in scans])


def _predict_volume(scan: Scan, predictor: Predictor) -> Reading:
    recipe = predictor.recipe
    if recipe.depth is not None:
        head = standard_head(scan)
        return Reading(scan, predictor.predict_whole(scan.name, whole_of(head, recipe)), (), head=head)
    from core.scans.registration.standard_space import axial_slices

    heights = heights_of(recipe)
    head = standard_head(scan)
    slices = tuple(axial_slices(head, heights))
    return Reading(scan, predictor.predict_volume(scan.name, slices, heights.tolist()), slices, head=head)


def _load(folder: str, version: str) -> Predictor:
    known, predictor = _loaded.pop(folder, ("", None))
    if predictor is None or known != version:  # one that was replaced on disk is not kept beside its successor
        predictor = load_predictor(open_bundle(folder))
        predictor.warm_up()
    _loaded[folder] = version, predictor
    while len(_loaded) > LOADED_AT_ONCE:
        _loaded.popitem(last=False)
    return predictor


def standard_head(scan: Scan) -> "StandardHead":
    """Return a volume in standard space; one volume is registered at a time, and what is kept is there at once.

    Raises:
        ScanError: The scan is no volume.
    """
    kept = _look(scan.digest)
    if kept is not None:
        return kept
    from core.scans.registration.standard_space import to_standard_space

    with _making:
        kept = _look(scan.digest) or to_standard_space(scan)  # somebody else may have made it meanwhile
        keep_head(scan.digest, kept)
        return kept


def keep_head(digest: str, head: "StandardHead") -> None:
    """Remember the head that a volume became in another process, by the volume's digest."""
    with _looking:
        _kept[digest] = head
        while len(_kept) > KEPT:
            _kept.popitem(last=False)


def _look(digest: str) -> "StandardHead | None":
    with _looking:
        if digest in _kept:
            _kept.move_to_end(digest)
        return _kept.get(digest)


def whole_of(head: "StandardHead", recipe: Recipe) -> NDArray[np.float32]:
    """Return what a 3D network sees of a head: the slices its recipe asks for, or the whole head as a cube.

    Returns:
        Grey in [0, 255], D × H × W.

    Raises:
        NoHead: The head did not come to lie in standard space.
    """
    if recipe.slices is None:
        from core.cohorts.preprocess import cube_of
        from core.networks.subset import volume_as_seen

        return volume_as_seen(cube_of(head)[0])
    from core.scans.registration.standard_space import axial_slices

    return np.stack([scan.grey() for scan in axial_slices(head, heights_of(recipe))])


def heights_of(recipe: Recipe) -> NDArray[np.float64]:
    """Return the heights (mm) of the slices a network reads of a volume.

    Raises:
        StageLensError: The network knows single pictures only.
    """
    if recipe.slices is None:
        raise StageLensError(
            f"{recipe.name} knows single pictures, not volumes; give it one slice, or choose another network."
        )
    return np.arange(round(recipe.slices.lowest_mm), round(recipe.slices.highest_mm) + 1, dtype=np.float64)


def heights_of_whole(recipe: Recipe, depth: int) -> NDArray[np.float64]:
    """Return the heights (mm) of the slices of a volume as a 3D network sees it, from the lowest up."""
    if recipe.slices is not None:
        return heights_of(recipe)
    step = max(SHAPE) / depth
    return np.asarray(ORIGIN_MM[2] + (SHAPE[2] - 1) / 2 + step * (np.arange(depth) - (depth - 1) / 2))


def slices_of_whole(name: str, volume: NDArray[np.float32], heights_mm: NDArray[np.float64]) -> tuple[Scan, ...]:
    """Return the slices of a volume as a 3D network sees it (D × H × W, grey in [0, 255]), for looking at."""
    return tuple(
        Scan(one, (0.0, 255.0), f"{name}-z{round(height):+03d}", "slice of the volume", orientation="AL")
        for one, height in zip(volume, heights_mm, strict=True)
    )
