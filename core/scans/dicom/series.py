"""From DICOM objects to one volume: which images belong together, their order, and any problems with them.

Images are sorted by their position along the normal of their plane (PS3.3, C.7.6.2.1.1), never by name or number.
"""

import posixpath
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ChoiceNeeded, ScanError
from core.scans.dicom.header import Frame, planes_of
from core.scans.dicom.image import DicomObject, read_object
from core.scans.dicom.mixed import EVEN, MIXED, SAME_POSITION_MM, interleave, of_one_making, parted
from core.scans.names import display_name
from core.scans.raster import check_size, generated_name
from core.scans.scan import Scan
from core.scans.volume import check_volume, scan_from_volume, window_of
from core.words import counted

LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
NAMED = 3  # up to this many unreadable files are named; more are counted
MIN_LIKELY = 20  # slices, at least, of a head that is a volume
MOST_DOUBLES = 0.1  # of the places; with more of them taken twice, two stacks were mixed
MOST_MISSING = 0.25  # of a series; with more gaps the volume would be mostly interpolated


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
        A volume, or an image if the series has only one.

    Raises:
        ChoiceNeeded: There are several series (or people, or frames without a position), and none was chosen.
        ScanError: No file can be read, or the images do not make a volume.
    """
    objects, unreadable = _read_all(files)
    notes = list(unreadable)
    objects = [stack for item in _without_repeats(objects, notes) for stack in item.stacks()]
    series = _grouped(objects)
    kept = [group for group in series if not group[0].localizer] or series
    if len(kept) < len(series):
        skipped = sum(len(group) for group in series) - sum(len(group) for group in kept)
        notes.append(f"{_images(skipped, 'localizer')} {'was' if skipped == 1 else 'were'} skipped.")
    chosen = _chosen(kept, choice)
    notes += dict.fromkeys(note for item in chosen for note in item.notes)
    return _assembled(chosen, notes, choice if len(kept) == 1 else None)


def _read_all(files: Mapping[str, bytes]) -> tuple[list[DicomObject], list[str]]:
    objects, failures = [], []
    for name, data in files.items():
        try:
            objects.append(replace(read_object(data), place=posixpath.dirname(name.replace("\\", "/"))))
        except ScanError as error:
            failures.append((name, str(error)))
    if not objects:
        raise ScanError(failures[0][1])
    notes = [f"{display_name(name)} was skipped: {reason}" for name, reason in failures[:NAMED]]
    if len(failures) > NAMED:
        notes.append(f"{len(failures) - NAMED} more files were skipped.")
    return objects, notes


def _without_repeats(objects: Sequence[DicomObject], notes: list[str]) -> list[DicomObject]:
    kept = list({(item.instance, _where(item)): item for item in reversed(objects)}.values())[::-1]
    repeats = len(objects) - len(kept)
    if repeats:
        notes.append(f"{_images(repeats)} came twice; each was used once.")
    return kept


def _where(item: DicomObject) -> bytes:
    """Return where an image lies: some anonymisers give all images of a series one identifier."""
    position = item.frames[0].position
    return b"" if position is None else np.round(position, 3).tobytes()


def _grouped(objects: Sequence[DicomObject]) -> list[list[DicomObject]]:
    """Group images by series, size, plane and kind; largest group first, so that the numbering is always the same.

    Images without a series are of one if they lie in one folder. What claims to be one series and is several is
    divided.
    """
    groups: dict[tuple[object, ...], list[DicomObject]] = defaultdict(list)
    planes = planes_of([item.frames[0].orientation for item in objects])
    for item, plane in zip(objects, planes, strict=True):
        place = "" if item.origin.series else item.place
        groups[item.series, place, plane, item.frames[0].apart].append(item)
    divided = [part for group in groups.values() for one in _of_one_place(group) for part in _of_one_making(one)]
    return sorted(divided, key=lambda group: (-_count(group), min(item.digest for item in group)))


def _of_one_place(group: list[DicomObject]) -> list[list[DicomObject]]:
    return parted(group, _positions(group), [item.place for item in group])


def _of_one_making(group: list[DicomObject]) -> list[list[DicomObject]]:
    return of_one_making(group, _positions(group), lambda item: item.acquisition)


def _positions(group: Sequence[DicomObject]) -> list[float | None]:
    """Return where images lie along their normal; None for objects of several frames, which are series already."""
    return [item.frames[0].along if len(item.frames) == 1 else None for item in group]


def _count(group: Sequence[DicomObject]) -> int:
    return sum(len(item.frames) for item in group)


def _chosen(series: list[list[DicomObject]], choice: int | None) -> list[DicomObject]:
    people = len({group[0].origin.person for group in series})
    if len(series) == 1:
        return series[0]
    if choice is None:
        what = f"{len(series)} series" + (f" of {people} people" if people > 1 else "")
        raise ChoiceNeeded(
            f"the files hold {what}; choose one from 1 to {len(series)}.",
            tuple(_described(group) for group in series),
            _likely(series) if people == 1 else None,
        )
    if choice > len(series):
        raise ScanError(f"the files hold {len(series)} series, so there is no series {choice}.")
    return series[choice - 1]


def _likely(series: list[list[DicomObject]]) -> int | None:
    """Return the number of the only series that is a plain T1 volume by what its files say; None if that is not clear.

    A series whose files say nothing may be one, too.
    """
    able = [
        number
        for number, group in enumerate(series, start=1)
        if _count(group) >= MIN_LIKELY and group[0].modality in {"MR", None} and not group[0].acquisition.agent
        and group[0].acquisition.weighting in {"T1", ""}
    ]  # fmt: skip
    return able[0] if len(able) == 1 and series[able[0] - 1][0].acquisition.weighting == "T1" else None


def _described(group: list[DicomObject]) -> str:
    first = group[0]
    rows, columns = first.pixels.shape[1:]
    images = _images(_count(group), _plane(first.frames[0]))
    known = [f"{images} of {rows} × {columns}", first.modality or "unknown modality", *first.acquisition.told()]
    return ", ".join(known)


def _images(count: int, kind: str = "") -> str:
    noun = f"{kind} image".lstrip() + ("" if count == 1 else "s")
    return f"{count} {noun}"


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
    if choice is not None and choice > 1:
        raise ScanError(f"the DICOM data holds 1 series, so there is no series {choice}.")
    if len(slices) == 1:
        return _image(slices[0], objects[0], name, notes)
    check_volume((len(slices), *slices[0].stored.shape))
    ordered = _one_a_position(sorted(slices, key=lambda item: (item.position, item.number)), notes)
    if len(ordered) == 1:
        return _image(ordered[0], objects[0], name, notes)
    volume, affine = _evenly_spaced(ordered, notes)
    first = objects[0]
    return scan_from_volume(
        volume,
        affine,
        name=name,
        source=first.source,
        modality=first.modality,
        window=first.window,
        warnings=tuple(notes),
        acquisition=first.acquisition,
        origin=first.origin,
    )


def _name(objects: Sequence[DicomObject]) -> str:
    return generated_name(*sorted(item.digest for item in objects))


def _slice(item: DicomObject, number: int) -> _Slice:
    frame = item.frames[number]
    return _Slice(item.pixels[number], frame, frame.along or 0.0, item.number + number)


def _rescaled(item: _Slice, out: NDArray[np.float32]) -> None:
    """Write a slice's values into an array, applying slope and intercept."""
    out[...] = item.stored
    if (item.frame.slope, item.frame.intercept) != (1.0, 0.0):
        out *= np.float32(item.frame.slope)
        out += np.float32(item.frame.intercept)


def _chosen_frame(slices: list[_Slice], choice: int | None) -> int:
    """Ask for one of several images that do not state their position."""
    count = len(slices)
    if choice is None:
        raise ChoiceNeeded(
            f"the DICOM data holds {count} images that do not state their position; choose one from 1 to {count}.",
            tuple(f"image {number}" for number in range(1, count + 1)),
        )
    if choice > count:
        raise ScanError(f"the DICOM data holds {counted(count, 'image')}, so there is no image {choice}.")
    return choice


def _image(item: _Slice, source: DicomObject, name: str, notes: Sequence[str]) -> Scan:
    frame = item.frame
    rows, columns = item.stored.shape
    check_size(rows, columns)
    values = np.empty((rows, columns), np.float32)
    _rescaled(item, values)
    warnings = list(notes)
    if values.min() == values.max():
        warnings.append("Every pixel has the same value: there is nothing to see in this picture.")
    codes = None
    if frame.orientation is not None:
        down, right = frame.orientation[1] * LPS_TO_RAS, frame.orientation[0] * LPS_TO_RAS
        codes = _letter(down) + _letter(right)
    return Scan(
        voxels=values,
        window=source.window or window_of(values),
        name=name,
        source=source.source,
        spacing_mm=frame.spacing,
        orientation=codes,
        modality=source.modality,
        warnings=tuple(warnings),
        acquisition=source.acquisition,
        origin=source.origin,
    )


def _letter(direction: NDArray[np.float64]) -> str:
    axis = int(np.abs(direction).argmax())
    return ("RL", "AP", "SI")[axis][0 if direction[axis] > 0 else 1]


def _one_a_position(slices: list[_Slice], notes: list[str]) -> list[_Slice]:
    kept, others = [slices[0]], 0
    for item in slices[1:]:
        if item.position - kept[-1].position > SAME_POSITION_MM:
            kept.append(item)
        else:
            others += not np.array_equal(item.stored, kept[-1].stored)
    doubles = len(slices) - len(kept)
    if (len(kept) > 1 and others > MOST_DOUBLES * len(kept)) or interleave([item.position for item in kept]):
        raise ScanError(MIXED)
    if doubles:
        have = "has" if doubles == 1 else "have"
        notes.append(f"{_images(doubles)} {have} the same position as another; the first was used.")
    return kept


def _evenly_spaced(slices: list[_Slice], notes: list[str]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Stack slices, interpolating over gaps: I × J × K with i along a row, and the affine in RAS+."""
    positions = np.array([item.position for item in slices])
    steps = np.diff(positions)
    step = float(np.median(steps))
    if len({item.frame.spacing for item in slices}) > 1:
        notes.append("Pixel spacing changes within the series; that of the first slice is used.")
    uneven = np.abs(steps - step) > EVEN * step
    if uneven.any():
        whole = np.round(steps / step)
        missing = int((whole - 1)[uneven].clip(0).sum())
        if missing and np.abs(steps[uneven] - whole[uneven] * step).max() <= 2 * EVEN * step:
            gaps = "1 slice is" if missing == 1 else f"{missing} slices are"
            notes.append(f"{gaps} missing; the gaps were filled by interpolating between neighbours.")
        else:
            notes.append("The distance between slices changes; the volume was resampled to even distances.")
        if missing > MOST_MISSING * len(slices):
            raise ScanError(
                f"{missing} of {missing + len(slices)} slices are missing, which is too many; give the whole series."
            )
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
    weights = (wanted - positions[below]) / (positions[below + 1] - positions[below])
    weight = weights.astype(np.float32)[:, None, None]
    return stack[below] * (1 - weight) + stack[below + 1] * weight


def _affine(slices: list[_Slice], count: int, notes: list[str]) -> NDArray[np.float64]:
    """Return index to mm in RAS+ (nibabel's DICOM orientation page; PS3.3, equation C.7.6.2.1-1)."""
    first, last = slices[0].frame, slices[-1].frame
    assert first.position is not None  # noqa: S101 - slices without a position are handled before
    assert first.orientation is not None  # noqa: S101
    assert last.position is not None  # noqa: S101
    if first.spacing is None:
        notes.append("The series does not say how large its pixels are; 1 mm is assumed.")
    between_rows, between_columns = first.spacing or (1.0, 1.0)
    affine = np.eye(4)
    affine[:3, 0] = first.orientation[0] * between_columns
    affine[:3, 1] = first.orientation[1] * between_rows
    affine[:3, 2] = (last.position - first.position) / (count - 1)
    affine[:3, 3] = first.position
    return np.diag([*LPS_TO_RAS, 1.0]) @ affine
