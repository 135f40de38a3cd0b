"""Which frame of a picture a network knows: the picture as it is, in its true shape, or its head placed in the frame.

The network decides, by its own out-of-distribution (OOD) score: a change is made where it brings a picture closer to
the training scans, so a network that was trained on squeezed pictures reads squeezed ones. Nothing is turned over
unasked; that it would help is found out and said, of a picture that was changed as of one that is rejected.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.networks.inference.predictor import Predictor
from core.scans import Scan
from core.scans.framing import flipped, is_in_place, levelled, placed, unsqueezed


@dataclass(frozen=True, eq=False)
class Framed:
    """A picture as a network reads it.

    Attributes:
        scan: With a note where it was changed.
        turned: The OOD score it would have turned over, in the frame that suits it best; None where it is accepted as
            it came.
    """

    scan: Scan
    turned: float | None = None


def framed(predictor: Predictor, scans: Sequence[Scan]) -> list[Framed]:
    """Bring pictures into the frame that a network knows; those whose orientation is known stay as they are.

    Networks without an OOD model, and those of pictures that are no axial slices of heads, change nothing.

    Args:
        predictor: The network.
        scans: Pictures.
    """
    limit = predictor.ood_limit
    found = [Framed(scan) for scan in scans]
    loose = [index for index, scan in enumerate(scans) if scan.orientation is None]
    if limit is None or predictor.network.recipe.slices is None or not loose:
        return found
    as_they_are = _scores(predictor, [scans[index] for index in loose])
    for index, score in zip(loose, as_they_are, strict=True):
        found[index] = _framed(predictor, scans[index], float(score), limit)
    return found


def _framed(predictor: Predictor, original: Scan, score: float, limit: float) -> Framed:
    """Take the frame and the brightness in which a picture is closest to the training scans.

    A head that lies, looks and is shaped as theirs do stays as it is, whatever its score.
    """
    scan, best = original, score

    def tried(changed: Scan | None) -> None:
        nonlocal scan, best
        if changed is not None:
            other = float(_scores(predictor, [changed])[0])
            scan, best = (changed, other) if other < best else (scan, best)

    tried(unsqueezed(scan))
    tried(levelled(scan))
    if best > limit or not is_in_place(unsqueezed(original) or original):
        tried(placed(levelled(original) or original))
    return Framed(scan) if scan is original and best <= limit else Framed(scan, _turned(predictor, original))


def _turned(predictor: Predictor, scan: Scan) -> float | None:
    """Return the least score of a picture turned over; None for a network that does not know which way is up."""
    if not predictor.knows_upright:
        return None
    over = flipped(scan)
    tried = [one for one in (over, unsqueezed(over), placed(levelled(over) or over)) if one is not None]
    return float(_scores(predictor, tried).min())


def _scores(predictor: Predictor, scans: Sequence[Scan]) -> NDArray[np.float32]:
    return predictor.ood_scores(predictor.inputs([scan.grey() for scan in scans]))
