"""Which frame of a picture a network knows: the picture as it is, in its true shape, or its head placed in the frame.

The network decides, by its own out-of-distribution (OOD) score: a change is made where it brings a picture closer to
the training scans, so a network that was trained on squeezed pictures reads squeezed ones. Nothing is turned over
unasked; that it would help is found out and said, of a picture that was changed as of one that is rejected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.networks.inference.batches import Seen
from core.networks.inference.prediction import Prediction
from core.networks.inference.predictor import Predictor
from core.scans import Scan
from core.scans.framing import flipped, is_in_place, levelled, placed, unsqueezed


@dataclass(frozen=True, eq=False)
class Framed:
    """A picture as a network reads it.

    Attributes:
        scan: With a note where it was changed.
        seen: What the network made of it.
        turned: The least OOD score it has turned over, where it may lie that way; else None.
    """

    scan: Scan
    seen: Seen
    turned: float | None = None

    @property
    def score(self) -> float:
        """The OOD score."""
        return float(self.seen.scores[0])

    def prediction(self, predictor: Predictor) -> Prediction:
        """Return the network's prediction."""
        return predictor.prediction_of_seen(self.scan.name, self.seen, turned=self.turned)


def framed(predictor: Predictor, scans: Sequence[Scan]) -> list[Framed]:
    """Bring pictures into the frame that a network knows, and let it see them; all of them go through it together.

    Pictures whose orientation is known stay as they are, as do all for networks without an OOD model, and those of
    pictures that are no axial slices of heads.

    Args:
        predictor: The network.
        scans: Pictures.
    """
    if not scans:
        return []
    inputs = predictor.inputs([scan.grey() for scan in scans])
    seen = predictor.see(inputs)
    found = [Framed(scan, seen[index]) for index, scan in enumerate(scans)]
    limit = predictor.ood_limit
    if limit is not None and predictor.recipe.slices is not None:
        _take_best_frames(predictor, found, limit)
    for index, one in enumerate(found):
        if one.scan is not scans[index]:
            inputs[index] = predictor.inputs([one.scan.grey()])[0]
    turned = predictor.turned_where_in_doubt([one.scan for one in found], inputs)
    for index, scores in _turned_originals(predictor, scans, found, set(turned), limit).items():
        turned[index] = min(turned[index], *scores)
    return [Framed(one.scan, one.seen, turned.get(index)) for index, one in enumerate(found)]


def _take_best_frames(predictor: Predictor, found: list[Framed], limit: float) -> None:
    """Take for each picture the frame and the brightness in which it is closest to the training scans.

    A head that lies, looks and is shaped as theirs do stays as it is, whatever its score.
    """
    originals = {index: one.scan for index, one in enumerate(found) if one.scan.orientation is None}

    def tried(changed: Mapping[int, Scan | None]) -> None:
        known = {index: scan for index, scan in changed.items() if scan is not None}
        if not known:
            return
        seen = predictor.see(predictor.inputs([scan.grey() for scan in known.values()]))
        for row, (index, scan) in enumerate(known.items()):
            if seen.scores[row] < found[index].score:
                found[index] = Framed(scan, seen[row])

    tried({index: unsqueezed(found[index].scan) for index in originals})
    tried({index: levelled(found[index].scan) for index in originals})
    out_of_place = {
        index: scan
        for index, scan in originals.items()
        if found[index].score > limit or not is_in_place(unsqueezed(scan) or scan)
    }
    tried({index: placed(levelled(scan) or scan) for index, scan in out_of_place.items()})


def _turned_originals(
    predictor: Predictor, scans: Sequence[Scan], found: Sequence[Framed], doubtful: set[int], limit: float | None
) -> dict[int, list[float]]:
    """Return the scores of pictures turned over, in each frame, of those that were changed or are rejected."""
    if limit is None or predictor.recipe.slices is None:
        return {}
    wanted = [
        index
        for index in sorted(doubtful)
        if scans[index].orientation is None and (found[index].scan is not scans[index] or found[index].score > limit)
    ]
    scores = {}
    for index in wanted:
        over = flipped(scans[index])
        tried = [one for one in (over, unsqueezed(over), placed(levelled(over) or over)) if one is not None]
        scores[index] = predictor.ood_scores(predictor.inputs([one.grey() for one in tried])).tolist()
    return scores
