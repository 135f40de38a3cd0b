"""How often the default network wrongly rejects slices of people it never saw, in every form they come in.

    python benchmarks/forms.py --data DATA [--every 5] [--split SPLIT]

DATA holds both copies of the public Alzheimer set, `alzheimer_mri` (128 × 128, squeezed) and `alzheimer_mri_176x208`,
and `alzheimer_people.csv`, by which the same slice is found in both. The slices are those of the test people of SPLIT,
or of the split by subject with seed 1, on which the shipped network was trained. Each form is made of both copies:
recompressed, cropped, brighter, darker, enlarged, and as viewers export them. Printed are the fractions rejected as the
picture is and as `predict` reads it, and how often the answer is that for the slice at its true size; of slices
exported with the front up, also how many are offered to be flipped.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.cohorts import audit_folder, read_split, split_by_subject
from core.cohorts.synthetic.copies import Change, Picture, exported, recompressed
from core.networks.bundle import open_bundle
from core.networks.inference.loading import load_predictor
from core.networks.inference.predictor import Predictor
from core.reporting.text.predictions import FLIPPED, ood_text
from core.scans import Scan
from core.workflows.predict import predict_scans

WIDE, SMALL = "alzheimer_mri_176x208", "alzheimer_mri"


def cropped(picture: Picture, fraction: float) -> Picture:
    """Cut a fraction off each side."""
    rows, columns = picture.shape
    top, left = round(rows * fraction), round(columns * fraction)
    return picture[top : rows - top, left : columns - left]


FORMS: dict[str, Change] = {
    "as it is": lambda one: one,
    "JPEG, quality 40": recompressed,
    "cropped by 2 %": lambda one: cropped(one, 0.02),
    "cropped by 9 %": lambda one: cropped(one, 0.09),
    "brighter by 10 %": lambda one: np.clip(one * 1.1, 0, 255).astype(np.uint8),
    "brighter by 25 %": lambda one: np.clip(one * 1.25, 0, 255).astype(np.uint8),
    "darker by 25 %": lambda one: (one * 0.75).astype(np.uint8),
    "enlarged to 224 rows": lambda one: np.asarray(
        cv2.resize(one, (round(one.shape[1] * 224 / one.shape[0]), 224), interpolation=cv2.INTER_CUBIC)
    ),
    "exported by a viewer": exported,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--every", type=int, default=5, help="take each so manieth slice")
    parser.add_argument("--split", type=Path, help="table of the wide copy; made anew if left out")
    options = parser.parse_args()
    predictor = load_predictor(open_bundle())
    rows = unseen(options.data, options.split).iloc[:: options.every]
    copies = {
        name: [np.asarray(cv2.imread(path, cv2.IMREAD_GRAYSCALE)) for path in rows[column]]
        for name, column in (("176 × 208", "path"), ("128 × 128", "path_small"))
    }
    truth = answers(predictor, as_scans(copies["176 × 208"]))[1]
    print(
        f"{len(rows)} slices of {rows['person'].nunique()} people; rejected as they are, rejected as read, same answer"
    )
    print("| copy | form | as it is | as read | same answer |\n|---|---|---|---|---|")
    for copy, pictures in copies.items():
        for form, change in FORMS.items():
            scans = as_scans([change(one) for one in pictures])
            before, _ = answers(predictor, scans)
            after, said = read(predictor, scans)[:2]
            same = float((said == truth).mean())
            print(f"| {copy} | {form} | {before.mean():.1%} | {after.mean():.1%} | {same:.1%} |", flush=True)
    over = as_scans([exported(one[::-1]) for one in copies["176 × 208"]])
    rejected, _, offered = read(predictor, over)
    print(f"exported with the front up: rejected {rejected.mean():.1%}, offered to be flipped {offered.mean():.1%}")


def unseen(data: Path, table: Path | None) -> pd.DataFrame:
    """Return a row a slice of the test people, with its path in both copies."""
    split = split_by_subject(audit_folder(data / WIDE).table, seed=1) if table is None else read_split(table)
    known = pd.read_csv(data / "alzheimer_people.csv")
    known["path"] = [(data / path).as_posix() for path in known["path"]]
    wide = known["path"].str.contains(WIDE)
    both = known[wide].merge(known.loc[~wide, ["person", "z", "path"]], on=["person", "z"], suffixes=("", "_small"))
    return split[split["part"] == "test"].merge(both, on="path")


def as_scans(pictures: list[Picture]) -> list[Scan]:
    """Return pictures as scans."""
    return [Scan(np.float32(one), (0.0, 255.0), f"scan-{number}", "a picture") for number, one in enumerate(pictures)]


def read(predictor: Predictor, scans: list[Scan]) -> tuple[NDArray[np.bool_], NDArray[np.str_], NDArray[np.bool_]]:
    """Return whether each scan is rejected, the answer, and whether it is offered to be flipped, as `predict` does."""
    found = [one.prediction for one in predict_scans(scans, predictor)]
    offered = [one.rejected and one.ood is not None and ood_text(one.ood.as_dict()) == FLIPPED for one in found]
    return np.array([one.rejected for one in found]), np.array([one.answer for one in found]), np.array(offered)


def answers(predictor: Predictor, scans: list[Scan]) -> tuple[NDArray[np.bool_], NDArray[np.str_]]:
    """Return whether each scan is rejected, and the network's answer, as the scan is."""
    found = predictor.predict(scans)
    return np.array([one.rejected for one in found]), np.array([one.answer for one in found])


if __name__ == "__main__":
    main()
