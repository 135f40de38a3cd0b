"""Are the people that the audit finds right? The public Alzheimer set clean, with strays, copies, gaps and kinds.

    python benchmarks/audit.py --data FOLDER [--people N]

FOLDER holds both copies of the set and the table of who is who. Prints a row a case: people there are, people found,
the adjusted Rand index of the grouping (1 is right), pictures set aside, and seconds.
"""

import argparse
import tempfile
import time
import uuid
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from core.cohorts import audit_folder
from core.cohorts.synthetic.copies import COPIES, Change

KINDS: dict[str, Change] = {
    "inverted": lambda picture: 255 - picture,
    "cut off below": lambda one: one[: 2 * len(one) // 3],
}
SMALL, WIDE = "alzheimer_mri", "alzheimer_mri_176x208"


def write(folder: Path, rows: pd.DataFrame, data: Path, change: Change | None = None) -> pd.DataFrame:
    """Write pictures into class folders, changed if asked for; returns their paths with the persons."""
    written = []
    for path, person in zip(rows["path"], rows["person"], strict=True):
        picture = np.asarray(cv2.imread(str(data / path), cv2.IMREAD_GRAYSCALE), np.uint8)
        target = folder / Path(path).parent.name / f"{uuid.uuid4().hex}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), picture if change is None else change(picture))
        written.append((target.as_posix(), person))
    return pd.DataFrame(written, columns=["path", "person"])


def row(title: str, folder: Path, truth: pd.DataFrame) -> None:
    """Audit a folder and print what was found."""
    began = time.perf_counter()
    found = audit_folder(folder)
    seconds = time.perf_counter() - began
    merged = found.table.merge(truth, on="path")
    index = f"{adjusted_rand_score(merged['person'], merged['subject']):.4f}" if found.people_known else "–"
    people = str(merged["subject"].nunique()) if found.people_known else "not established"
    there = truth["person"].nunique()
    print(
        f"| {title} | {len(truth)} | {there} | {people} | {index} | {len(found.set_aside)} | {seconds:.1f} |",
        flush=True,
    )


SECTIONS = ("whole", "strays", "copies", "missing", "gaps", "heights", "kinds")


def main() -> None:
    """Run every case of the chosen sections."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--people", type=int, default=70)
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    given = parser.parse_args()
    table = pd.read_csv(given.data / "alzheimer_people.csv")
    small = table[table["path"].str.startswith(f"{SMALL}/")]
    wide = table[table["path"].str.startswith(f"{WIDE}/")]
    order = pd.Series(wide["person"].unique()).sample(frac=1, random_state=1).tolist()
    some = wide[wide["person"].isin(order[: given.people])]
    few = wide[wide["person"].isin(order[:12])]
    print("| case | pictures | people | found | adjusted Rand index | set aside | seconds |")
    print("|---|---|---|---|---|---|---|")
    if "whole" in given.only and given.people >= 70:
        for name, whole in ((SMALL, small), (WIDE, wide)):
            row(
                f"all of {name}", given.data / name, whole.assign(path=[str(given.data / one) for one in whole["path"]])
            )
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        if "strays" in given.only:
            truth = write(root / "black", few, given.data)
            cv2.imwrite(str(next((root / "black").glob("*")) / "black.png"), np.zeros((208, 176), np.uint8))
            row("12 people and a black picture", root / "black", truth)
            singles = wide[wide["person"].isin(order[12:32])].groupby("person").sample(1, random_state=1)
            both = pd.concat([few, singles])
            row("12 people, and a slice each of 20 others", root / "singles", write(root / "singles", both, given.data))
        for kind, change in COPIES.items() if "copies" in given.only else ():
            folder = root / kind
            truth = pd.concat([write(folder, some, given.data), write(folder, some, given.data, change)])
            row(f"{given.people} people and copies, {kind}", folder, truth)
        for fraction in (0.005, 0.02, 0.1, 0.3) if "missing" in given.only else ():
            kept = some.sample(frac=1 - fraction, random_state=1)
            folder = root / f"{fraction}"
            row(
                f"{given.people} people without {100 * fraction:g} % of the slices",
                folder,
                write(folder, kept, given.data),
            )
        heights = some["z"] - some["z"].min()
        one = some["person"] == some["person"].iloc[0]
        for first, count in ((10, 1), (10, 2), (12, 6), (26, 2)) if "gaps" in given.only else ():
            kept = some[~(one & heights.between(first, first + count - 1))]
            folder = root / f"gap {first} {count}"
            row(
                f"{given.people} people, one without slices {first + 1} to {first + count}",
                folder,
                write(folder, kept, given.data),
            )
        of_heights = (
            ("everybody without 2 slices in the middle", ~heights.between(14, 15)),
            ("everybody with the 3 lowest and 3 highest slices", ~heights.between(3, 28)),
            ("everybody with 8 slices in the middle", heights.between(12, 19)),
            ("everybody with every second slice", heights % 2 == 0),
        )
        for title, inside in of_heights if "heights" in given.only else ():
            folder = root / title
            row(f"{given.people} people, {title}", folder, write(folder, some[inside], given.data))
        half = some["person"].isin(order[: given.people // 2])
        for title, change in KINDS.items() if "kinds" in given.only else ():
            folder = root / title
            truth = pd.concat([write(folder, some[half], given.data), write(folder, some[~half], given.data, change)])
            row(f"{given.people} people, half of them {title}", folder, truth)
            folder = root / f"{title} too"
            truth = pd.concat([write(folder, some, given.data), write(folder, some, given.data, change)])
            row(f"{given.people} people, everybody also {title}", folder, truth)


if __name__ == "__main__":
    main()
