"""How many scans go through a network at once, and what is kept of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BATCH, BATCH_OF_VOLUMES = 16, 1


def batches(inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Cut scans at the network's size, N × … × 1, into batches."""
    size = BATCH if inputs.ndim == 4 else BATCH_OF_VOLUMES
    return [inputs[start : start + size] for start in range(0, len(inputs), size)]


@dataclass(frozen=True, eq=False)
class Seen:
    """What is kept of a network's passes: no feature maps.

    Attributes:
        logits: float32, N × classes.
        scores: float32, N, OOD scores; NaN for a network without an OOD model.
        along: float32, N × k, coordinates along the axes of the OOD model; N × 0 without one.
    """

    logits: NDArray[np.float32]
    scores: NDArray[np.float32]
    along: NDArray[np.float32]

    def __getitem__(self, index: int) -> "Seen":
        """Return what was seen of one scan."""
        one = slice(index, index + 1)
        return Seen(self.logits[one], self.scores[one], self.along[one])
