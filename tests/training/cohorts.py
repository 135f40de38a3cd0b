"""Tiny split tables of synthetic slices and volumes, for every task."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from core.cohorts.tasks import TASKS
from core.scans.writing import write_nifti

PARTS = (("train", 3), ("val", 1), ("test", 1))  # scans of each class


def write_cohort(folder: Path, *, side: int = 40) -> None:
    """Write slices (PNG) and volumes (NIfTI) of noise whose brightness depends on the class, and split tables."""
    random = np.random.default_rng(0)
    for task in TASKS.values():
        for kind in ("slices", "volumes"):
            rows = []
            for index, label in enumerate(task.classes):
                for part, count in PARTS:
                    for number in range(count):
                        shape = (side, side) if kind == "slices" else (side, side, 32)
                        values = np.clip(random.normal(60 + 40 * index, 20, shape), 0, 255).astype(np.uint8)
                        stem = folder / f"{task.name}_{kind}" / f"{index}_{part}_{number}"
                        stem.parent.mkdir(parents=True, exist_ok=True)
                        path = stem.with_suffix(".png" if kind == "slices" else ".nii.gz")
                        if kind == "slices":
                            cv2.imwrite(str(path), values)
                        else:
                            write_nifti(path, values, np.eye(4))
                        rows.append((str(path), label, f"P{index}{part}{number}", 1, part, "subject", 1))
            columns = ["path", "label", "subject", "slice", "part", "by", "seed"]
            pd.DataFrame(rows, columns=columns).to_csv(folder / f"{task.name}_{kind}.csv", index=False)
