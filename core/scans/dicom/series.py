"""From DICOM objects to one volume: which images belong together, in which order, and what is wrong with them.

Images are sorted by their position along the normal of their plane (PS3.3, C.7.6.2.1.1), never by name or number.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ChoiceNeeded, ScanError
from core.scans.dicom.image import DicomObject, Frame, read_object
from core.scans.names import display_name
from core.scans.raster import check_size, generated_name
from core.scans.scan import Scan
from core.scans.volume import check_volume, scan_from_volume, window_of

LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
EVEN = 0.1  # steps may differ by this share of the step between slices
SAME_POSITION_MM = 1e-3
NAMED = 3  # unreadable files are named up to here, and counted beyond
MOST_MISSING = 0.25  # of a series; with more gaps it is not the head that was scanned


@dataclass(frozen=True, eq=False)
class _Slice:
    """One slice on its way into a volume: stored values and where they lie."""

    stored: NDArray[Any]
    frame: Frame
    position: float
    number: int


def read_series(files: Mapping[str, bytes], choice: int | None) -> Scan:
    """Read DICOM files that belong to one series, or choose one of several.

    Args:
        files: File name to bytes, in any order.
        choice: Which series, counted from 1, where there are several.

    Returns:
        A volume; an image where the series is a single one.

    Raises:
        ChoiceNeeded: There are several series (or people, or frames without a place), and none was chosen.
        ScanError: No file can be read, or the images make no volume.
    """
    objects, unreadable = _read_all(files)
    notes = list(unreadable)
    objects = _without_repeats(objects, notes)
    series = _grouped(objects)
    kept = [group for group in series if not group[0].localizer] or series
    if len(kept) < len(series):
        left_out = sum(len(group) for group in series) - sum(len(group) for group in kept)
        notes.append(f"{left_out} localizer images were left out.")
    chosen = _chosen(kept, choice)
    notes += dict.fromkeys(note for item in chosen for note in item.notes)
    return _assembled(chosen, notes, choice if len(kept) == 1 else None)


def _read_all(files: Mapping[str, bytes]) -> tuple[list[DicomObject], list[str]]:
    objects, complaints = [], []
    for name, data in files.items():
        try:
            objects.append(read_object(data))
        except ScanError as error:
            complaints.append((name, str(error)))
    if not objects:
        raise ScanError(complaints[0][1])
    named = [f"{display_name(name)} was left out: {reason}" for name, reason in complaints[:NAMED]]
    if len(complaints) > NAMED:
        named.append(f"{len(complaints) - NAMED} more files were left out.")
    return objects, named


def _without_repeats(objects: Sequence[DicomObject], notes: list[str]) -> list[DicomObject]:
    kept = list({item.instance: item for item in reversed(objects)}.values())[::-1]
    if len(kept) < len(objects):
        notes.append(f"{len(objects) - len(kept)} images came twice; each was taken once.")
    return kept


def _grouped(objects: Sequence[DicomObject]) -> list[list[DicomObject]]:
    """Gather images of one series, size and plane; largest group first, so that the choice is the same every time."""
    groups: dict[tuple[object, ...], list[DicomObject]] = defaultdict(list)
    for item in objects:
        plane = item.frames[0].orientation
        rounded = tuple(np.round(plane, 2).ravel() + 0.0) if plane is not None else None
        groups[item.series, rounded].append(item)
    return sorted(groups.values(), key=lambda group: (-_count(group), min(item.digest for item in group)))


def _count(group: Sequence[DicomObject]) -> int:
    return sum(len(item.frames) for item in group)


def _chosen(series: list[list[DicomObject]], choice: int | None) -> list[DicomObject]:
    people = len({group[0].person for group in series})
    if len(series) == 1:
        return series[0]
    if choice is None:
        what = f"{len(series)} series" + (f" of {people} people" if people > 1 else "")
        raise ChoiceNeeded(
            f"the files hold {what}; choose one of 1 to {len(series)}.", tuple(_described(group) for group in series)
        )
    if choice > len(series):
        raise ScanError(f"the files hold {len(series)} series; there is no series {choice}.")
    return series[choice - 1]


def _described(group: list[DicomObject]) -> str:
    first = group[0]
    count = sum(len(item.frames) for item in group)
    rows, columns = first.pixels.shape[1:]
    plane = _plane(first.frames[0])
    images = "image" if count == 1 else "images"
    return (
        f"{count} {plane + ' ' if plane else ''}{images} of {rows} × {columns}, {first.modality or 'unknown modality'}"
    )


def _plane(frame: Frame) -> str:
    if frame.orientation is None:
        return ""
    normal = np.cross(frame.orientation[0], frame.orientation[1])
    return ("sagittal", "coronal", "axial")[int(np.abs(normal).argmax())]


def _assembled(objects: list[DicomObject], notes: list[str], choice: int | None) -> Scan:
    slices = [_slice(item, number) for item in objects for number in range(len(item.frames))]
    name = _name(objects)
    if len(slices) > 1 and any(item.frame.position is None or item.frame.orientation is None for item in slices):
        chosen = _chosen_frame(slices, choice)
        return _image(slices[chosen - 1], objects[0], f"{name}-{chosen}", notes)
    if len(slices) == 1:
        return _image(slices[0], objects[0], name, notes)
    check_volume((len(slices), *slices[0].stored.shape))
    ordered = _one_a_position(sorted(slices, key=lambda item: (item.position, item.number)), notes)
    if len(ordered) == 1:
        return _image(ordered[0], objects[0], name, notes)
    volume, affine = _evenly_spaced(ordered, notes)
    first = objects[0]
    return scan_from_volume(
        volume, affine, name=name, source=first.source, modality=first.modality, window=first.window,
        warnings=tuple(notes),
    )  # fmt: skip


def _name(objects: Sequence[DicomObject]) -> str:
    return generated_name(*sorted(item.digest for item in objects))


def _slice(item: DicomObject, number: int) -> _Slice:
    frame, position = item.frames[number], 0.0
    if frame.position is not None and frame.orientation is not None:
        position = float(frame.position @ np.cross(frame.orientation[0], frame.orientation[1]))
    return _Slice(item.pixels[number], frame, position, item.number + number)


def _rescaled(item: _Slice, out: NDArray[np.float32]) -> None:
    """Write a slice's values, slope and intercept applied, into an array."""
    out[...] = item.stored
    if (item.frame.slope, item.frame.intercept) != (1.0, 0.0):
        out *= np.float32(item.frame.slope)
        out += np.float32(item.frame.intercept)


def _chosen_frame(slices: list[_Slice], choice: int | None) -> int:
    """Let somebody choose one of several images that do not say where they lie."""
    count = len(slices)
    if choice is None:
        raise ChoiceNeeded(
            f"the DICOM data holds {count} images that do not say where they lie; choose one of 1 to {count}.",
            tuple(f"image {number}" for number in range(1, count + 1)),
        )
    if choice > count:
        raise ScanError(f"the DICOM data holds {count} images; there is no image {choice}.")
    return choice


def _image(item: _Slice, source: DicomObject, name: str, notes: Sequence[str]) -> Scan:
    frame = item.frame
    rows, columns = item.stored.shape
    check_size(rows, columns)
    values = np.empty((rows, columns), np.float32)
    _rescaled(item, values)
    said = list(notes)
    if values.min() == values.max():
        said.append("Every pixel has the same value: there is nothing to see in this picture.")
    codes = None
    if frame.orientation is not None:
        down, right = frame.orientation[1] * LPS_TO_RAS, frame.orientation[0] * LPS_TO_RAS
        codes = _letter(down) + _letter(right)
    window = source.window or window_of(values)
    return Scan(values, window, name, source.source, frame.spacing, codes, source.modality, None, tuple(said))


def _letter(direction: NDArray[np.float64]) -> str:
    axis = int(np.abs(direction).argmax())
    return ("RL", "AP", "SI")[axis][0 if direction[axis] > 0 else 1]


def _one_a_position(slices: list[_Slice], notes: list[str]) -> list[_Slice]:
    kept = [slices[0]]
    for item in slices[1:]:
        if item.position - kept[-1].position > SAME_POSITION_MM:
            kept.append(item)
    if len(kept) < len(slices):
        notes.append(f"{len(slices) - len(kept)} images lie where another one lies; the first of each was taken.")
    return kept


def _evenly_spaced(slices: list[_Slice], notes: list[str]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Stack slices, bridging gaps: I × J × K with i along a row, and the affine in RAS+."""
    positions = np.array([item.position for item in slices])
    steps = np.diff(positions)
    step = float(np.median(steps))
    if len({item.frame.spacing for item in slices}) > 1:
        notes.append("Pixel spacing changes within the series; that of the first slice is taken.")
    uneven = np.abs(steps - step) > EVEN * step
    if uneven.any():
        whole = np.round(steps / step)
        missing = int((whole - 1)[uneven].clip(0).sum())
        if missing and np.abs(steps[uneven] - whole[uneven] * step).max() <= 2 * EVEN * step:
            notes.append(f"{missing} slices are missing; they were filled in between their neighbours.")
        else:
            notes.append("The distance between slices changes; the volume was brought to an even one.")
        if missing > MOST_MISSING * len(slices):
            raise ScanError(f"{missing} slices are missing of {missing + len(slices)}; that is no complete volume.")
    count = round((positions[-1] - positions[0]) / step) + 1
    check_volume((count, *slices[0].stored.shape))
    stack = np.empty((len(slices), *slices[0].stored.shape), np.float32)
    for index, item in enumerate(slices):
        _rescaled(item, stack[index])
    if uneven.any():
        stack = _interpolated(stack, positions, np.linspace(positions[0], positions[-1], count))
    return stack.transpose(2, 1, 0), _affine(slices, count, notes)


def _interpolated(
    stack: NDArray[np.float32], positions: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float32]:
    below = np.clip(np.searchsorted(positions, wanted, side="right") - 1, 0, len(positions) - 2)
    fraction = ((wanted - positions[below]) / (positions[below + 1] - positions[below])).astype(np.float32)[
        :, None, None
    ]
    return stack[below] * (1 - fraction) + stack[below + 1] * fraction


def _affine(slices: list[_Slice], count: int, notes: list[str]) -> NDArray[np.float64]:
    """Return index to mm in RAS+ (nibabel's DICOM orientation page; PS3.3, equation C.7.6.2.1-1)."""
    first, last = slices[0].frame, slices[-1].frame
    assert first.position is not None  # noqa: S101 - whoever lacks a position never comes here
    assert first.orientation is not None  # noqa: S101
    assert last.position is not None  # noqa: S101
    if first.spacing is None:
        notes.append("The series does not say how large its pixels are; 1 mm is taken.")
    between_rows, between_columns = first.spacing or (1.0, 1.0)
    affine = np.eye(4)
    affine[:3, 0] = first.orientation[0] * between_columns
    affine[:3, 1] = first.orientation[1] * between_rows
    affine[:3, 2] = (last.position - first.position) / (count - 1)
    affine[:3, 3] = first.position
    return np.diag([*LPS_TO_RAS, 1.0]) @ affine
