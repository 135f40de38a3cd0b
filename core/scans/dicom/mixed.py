"""Images that claim to be one series and are not: of two people whose names were taken out, or of two contrasts.

The slices of one volume lie at even distances, one at each place. Where those of a series repeat or interleave, and
something else tells them apart (how they were made, or the folder they lie in), they are several series.
"""

from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from core.scans.contrast.acquisition import Acquisition

EVEN = 0.1  # distances between slices may differ by this fraction of the median
SAME_POSITION_MM = 1e-3
JITTER = 0.1  # times of one series differ by at most this fraction
MIXED = (
    "the images of this series lie in each other's places, as if two series or two people were mixed, and the files do "
    "not tell them apart: give one of them alone."
)
Item = TypeVar("Item")


def parted(items: Sequence[Item], positions: Sequence[float | None], places: Sequence[Hashable]) -> list[list[Item]]:
    """Divide the images of a series by the folder they lie in, if they lie at even distances only then.

    Args:
        items: The images.
        positions: Where each lies along the normal of its plane, in mm; None if unknown.
        places: The folder of each.

    Returns:
        The series itself, or its parts.
    """
    known = [one for one in positions if one is not None]
    if len(known) < len(positions) or len(set(places)) < 2 or faults(known) == 0:
        return [list(items)]
    parts = _by(range(len(items)), places)
    left = sum(faults([known[index] for index in part]) for part in parts)
    if 2 * left >= faults(known):
        return [list(items)]
    return [[items[index] for index in part] for part in parts]


def of_one_making(
    items: Sequence[Item], positions: Sequence[float | None], made: Callable[[Item], Acquisition]
) -> list[list[Item]]:
    """Divide the images of a series by how they were made, where those of two ways lie between each other.

    Args:
        items: The images.
        positions: As for `parted`.
        made: How an image was made.
    """
    acquisitions = [made(item) for item in items]
    times = [
        _clusters([getattr(one, name) for one in acquisitions]) for name in ("echo_ms", "repetition_ms", "inversion_ms")
    ]
    parts = _by(range(len(items)), list(zip(*times, strict=True)))
    if len(parts) < 2 or any(position is None for position in positions):
        return [list(items)]
    spans = sorted((min(along), max(along)) for part in parts for along in [[positions[i] or 0.0 for i in part]])
    if all(after[0] > before[1] for before, after in pairwise(spans)):
        return [list(items)]  # one after the other: a series whose times were written with other digits
    return [[items[index] for index in part] for part in parts]


def faults(positions: Sequence[float]) -> int:
    """Count the distances between neighbours that are none, or not the usual one."""
    steps = np.diff(np.sort(np.asarray(positions, np.float64)))
    apart = steps[steps > SAME_POSITION_MM]
    if not apart.size:
        return len(steps)
    usual = float(np.median(apart))
    return int(((steps <= SAME_POSITION_MM) | (np.abs(steps - usual) > EVEN * usual)).sum())


def interleave(positions: Sequence[float]) -> bool:
    """Tell whether slices are two even stacks, shifted against each other, rather than one uneven one."""
    ordered = np.sort(np.asarray(positions, np.float64))
    if len(ordered) < 8 or faults(ordered.tolist()) < len(ordered) // 4:
        return False
    return faults(ordered[::2].tolist()) == 0 == faults(ordered[1::2].tolist())


def _clusters(values: Sequence[float | None]) -> list[int]:
    """Number values so that those which differ by little have one number; 0 for those that are not known."""
    known = sorted({value for value in values if value is not None})
    numbers: dict[float, int] = {}
    for before, value in zip([None, *known], known, strict=False):
        step = before is None or value > before * (1 + JITTER)
        numbers[value] = (numbers[before] if before is not None else 0) + int(step)
    return [0 if value is None else numbers[value] for value in values]


def _by(items: Sequence[int], keys: Sequence[Hashable]) -> list[list[int]]:
    parts: dict[Hashable, list[int]] = {}
    for item in items:
        parts.setdefault(keys[item], []).append(item)
    return list(parts.values())
