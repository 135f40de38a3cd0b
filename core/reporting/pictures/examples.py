"""Example predictions as pictures: slices that a network got right and wrong, with their labels."""

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import softmax

from core.errors import StageLensError
from core.evaluation.predictions import Predictions
from core.evaluation.scored import scored_table
from core.scans import Scan, read_scan_file
from core.scans.planes import upright
from core.scans.writing import png_bytes

EACH = 6  # right ones, and as many wrong ones
SIDE = 224  # pixels; larger pictures are shrunk by a whole number


@dataclass(frozen=True)
class Example:
    """One slice with what it is and what a network said.

    Attributes:
        picture: A data URI of its PNG.
        truth: Its label.
        answer: The network's.
        probability: Of the answer, as the network puts it out.
    """

    picture: str
    truth: str
    answer: str
    probability: float

    @property
    def right(self) -> bool:
        """Whether the answer is the label."""
        return self.truth == self.answer


def examples(predictions: Predictions) -> tuple[Example, ...]:
    """Return the surest right and the surest wrong answers, of as many classes as there are, no person twice in a row.

    Scans that are volumes, or are no longer where they were, are left out.

    Args:
        predictions: What a network said of a part.
    """
    tested, classes = predictions.asked, predictions.recipe.classes
    scored = scored_table(tested, predictions.recipe)
    probabilities = softmax(scored.logits.astype(np.float64), axis=1)
    answers, surest = probabilities.argmax(axis=1), probabilities.max(axis=1)
    found: list[Example] = []
    for wanted in (True, False):
        rows = np.flatnonzero((answers == scored.labels) == wanted)
        for row in _one_of_each(rows, scored.labels, surest, scored.people):
            picture = _picture(tested["path"].iloc[row])
            if picture is not None:
                truth, answer = classes[scored.labels[row]], classes[answers[row]]
                found.append(Example(picture, truth, answer, float(surest[row])))
            if sum(one.right == wanted for one in found) == EACH:
                break
    return tuple(found)


def _one_of_each(rows: np.ndarray, labels: np.ndarray, surest: np.ndarray, people: np.ndarray) -> list[int]:
    """Order rows so that classes take turns, the surest first, and each person comes once before anybody twice."""
    order = rows[np.argsort(-surest[rows], kind="stable")]
    of_person: dict[int, int] = {}
    of_class: dict[tuple[int, int], int] = {}
    keys = []
    for row in order:
        turn = of_person[people[row]] = of_person.get(people[row], -1) + 1
        place = of_class[turn, labels[row]] = of_class.get((turn, labels[row]), -1) + 1
        keys.append((turn, place, labels[row]))
    return [int(row) for _, row in sorted(zip(keys, order, strict=True), key=lambda pair: pair[0])]


def _picture(path: str) -> str | None:
    try:
        scan = read_scan_file(Path(path))
    except StageLensError:
        return None
    return None if scan.is_volume else f"data:image/png;base64,{base64.b64encode(_png(scan)).decode()}"


def _png(scan: Scan) -> bytes:
    step = max(1, max(scan.voxels.shape) // SIDE)
    return png_bytes(upright(scan.picture()[::step, ::step], scan.orientation))
