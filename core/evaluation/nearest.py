"""The label of the most alike training picture: what needs no learning stands beside every network of pictures.

Where a test shows people, or copies, that were trained on, the nearest training picture is right nearly always; a
network is then worth what it reaches on the scans that no training picture is like.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from core.cohorts.recovery.links import rows_of
from core.evaluation.bootstrap import fraction_over_people
from core.evaluation.metrics import metrics_of
from core.evaluation.scored import Scored
from core.networks.card import LeastAlike, NearestPicture

SIDE = 32  # rows and columns that pictures are compared at
ALIKE = 0.90  # the correlation below which no training picture is like a scan
AT_ONCE = 512
CERTAIN = 16.0  # the logit of the nearest picture's label

Floats = NDArray[np.float32]


def nearest_training_picture(
    trained: NDArray[np.uint8], labels: NDArray[np.int64], scored: Scored, scans: NDArray[np.uint8]
) -> NearestPicture:
    """Measure the label of the nearest training picture as a network is measured.

    Args:
        trained: uint8, M × height × width × 1, the scans of the training part.
        labels: int64, M, their classes.
        scored: The scans that are asked, with what the network says of them.
        scans: uint8, N × height × width × 1, the same.
    """
    nearest, likeness = most_alike(trained, scans)
    logits = np.zeros((len(scans), len(scored.task.classes)), np.float32)
    logits[np.arange(len(scans)), labels[nearest]] = CERTAIN
    alone = Scored(scored.labels, logits, scored.subjects, scored.task, aggregation=scored.aggregation)
    by_slice, by_subject = metrics_of(alone)
    few = likeness < ALIKE
    unlike = None
    if few.any():
        right = [one.logits.argmax(axis=1)[few] == one.labels[few] for one in (scored, alone)]
        network, picture = (fraction_over_people(one, scored.people[few]) for one in right)
        unlike = LeastAlike(below=ALIKE, scans=int(few.sum()), network=network, nearest=picture)
    return NearestPicture(
        side=SIDE,
        by_slice=by_slice["accuracy"],
        by_subject=None if by_subject is None else by_subject["accuracy"],
        unlike=unlike,
    )


def most_alike(known: NDArray[np.uint8], asked: NDArray[np.uint8]) -> tuple[NDArray[np.int64], Floats]:
    """Return the most alike of some pictures for each of others, and how alike it is.

    Args:
        known: uint8, M × height × width × 1.
        asked: uint8, N × height × width × 1.

    Returns:
        int64, N, the index of the picture with the greatest Pearson correlation at 32 × 32 pixels; that, float32, N.
    """
    others = _shrunk(known)
    found, likeness = np.empty(len(asked), np.int64), np.empty(len(asked), np.float32)
    for start in range(0, len(asked), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        alike = _shrunk(asked[part]) @ others.T
        found[part] = alike.argmax(axis=1)
        likeness[part] = alike.max(axis=1)
    return found, likeness


def _shrunk(pictures: NDArray[np.uint8]) -> Floats:
    small = [cv2.resize(one[..., 0], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for one in pictures]
    return rows_of(np.stack(small).astype(np.float32))
