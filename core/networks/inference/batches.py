"""How many scans go through a network at once."""

import numpy as np
from numpy.typing import NDArray

BATCH, BATCH_OF_VOLUMES = 16, 1


def batches(inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Cut scans at the network's size, N × … × 1, into batches."""
    size = BATCH if inputs.ndim == 4 else BATCH_OF_VOLUMES
    return [inputs[start : start + size] for start in range(0, len(inputs), size)]
