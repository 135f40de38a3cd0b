"""What a tumour network is worth beside the nearest training picture, on the set's test folder without copies.

    python benchmarks/tumours.py RUN [--data ../shared/data]

RUN is the folder of a training on the Kaggle set's own folders. A test picture whose pixels are those of a training
picture, or of a test picture before it, is left out; what is left is divided by how alike the most alike picture of the
whole training folder is, whether the network was trained on that or not.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.cohorts.tasks import TUMOUR
from core.evaluation.bootstrap import exact_fraction
from core.evaluation.nearest import most_alike
from core.reporting.text.numbers import with_interval
from core.runs.folder import PREDICTIONS_FILE

SIZE = (192, 192)
LIMITS = (1.01, 0.90, 0.85)


def main() -> None:
    """Print a row for all test pictures, for those without copies, and for those that no training picture is like."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    asked = parser.parse_args()
    predictions = pd.read_csv(asked.run / PREDICTIONS_FILE).query("part == 'test'")
    known_paths = sorted((asked.data / "brain_tumor_mri" / "Training").glob("*/*.jpg"))
    known, given = ([grey(path) for path in paths] for paths in (known_paths, predictions["path"]))
    trained, alone = {one.tobytes() for one in known}, []
    for one in given:
        alone.append(one.tobytes() not in trained)
        trained.add(one.tobytes())
    nearest, likeness = most_alike(sized(known), sized(given))
    true = predictions["label"].to_numpy(str)
    said = np.array(TUMOUR.classes)[predictions[[f"logit {name}" for name in TUMOUR.classes]].to_numpy().argmax(axis=1)]
    labels = np.array([TUMOUR.class_of(path.parent.name) for path in known_paths])[nearest]
    rows = {f"all {len(true):,}": np.ones(len(true), bool)}
    for limit in LIMITS:
        chosen = np.array(alone) & (likeness < limit)
        rows[f"{chosen.sum():,} without pixel copies" + (f", below {limit:.2f}" if limit < 1 else "")] = chosen
    print("| test pictures | the network | nearest picture, 32 × 32 |\n|---|---|---|")
    for title, chosen in rows.items():
        found = [with_interval(exact_fraction((one == true)[chosen])) for one in (said, labels)]
        print(f"| {title} | {' | '.join(found)} |")


def grey(path: str | Path) -> NDArray[np.uint8]:
    """Return a picture as grey levels, H × W."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)


def sized(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return pictures of one size, N × H × W × 1."""
    return np.stack([cv2.resize(one, SIZE, interpolation=cv2.INTER_AREA) for one in pictures])[..., None]


if __name__ == "__main__":
    main()
