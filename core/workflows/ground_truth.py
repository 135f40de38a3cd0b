"""The synthetic ground-truth benchmark: a network learns a change that we made, and every method must point to it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from core.cohorts.split import split_by_subject
from core.cohorts.synthetic.cohort import CHANGES, write_synthetic_cohort
from core.cohorts.tasks import SYNTHETIC
from core.errors import StageLensError
from core.explain import explain, explainers, heatmap_on_scan
from core.explain.checks.localisation import Localisation, changed_region, localisation
from core.files import write_json, write_table
from core.networks.inference.loading import load_predictor
from core.networks.inference.predictor import Predictor
from core.networks.recipe_files import read_recipe
from core.scans import Scan, read_scan_file
from core.words import people as people_text
from core.workflows.train import Request, train_bundle

PEOPLE = 80
RECIPE = "synthetic_ground_truth"
CHANGED = SYNTHETIC.classes[1]
RESULT_FILE = "ground_truth.json"


@dataclass(frozen=True)
class Score:
    """How one method did on the correctly classified changed scans.

    Attributes:
        method: Its name.
        title: As people call it.
        pointing: Fraction of the scans in which the peak lies in the changed region.
        mass: Mean fraction of the evidence in it.
        rank: Mean rank accuracy.
        scans: How many; those without any evidence count as misses.
    """

    method: str
    title: str
    pointing: float
    mass: float
    rank: float
    scans: int


@dataclass(frozen=True)
class GroundTruthBenchmark:
    """Outcome of a synthetic ground-truth benchmark.

    Attributes:
        kind: What was changed.
        accuracy: Of the network on people it has not seen.
        changed_fraction: Mean fraction of the picture that the changed region fills: what an even map would score.
        scores: A row a method, the best first.
    """

    kind: str
    accuracy: float
    changed_fraction: float
    scores: tuple[Score, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "change": self.kind,
            "title": CHANGES[self.kind].title,
            "accuracy": self.accuracy,
            "changed_fraction": self.changed_fraction,
            "methods": [asdict(score) for score in self.scores],
        }


def ground_truth_benchmark(
    kind: str,
    out: Path,
    *,
    people: int = PEOPLE,
    methods: Sequence[str] = (),
    seed: int = 0,
    say: Callable[[str], None] = lambda sentence: None,
) -> GroundTruthBenchmark:
    """Make a cohort, train a network on it, and score every method against what was changed.

    Args:
        kind: One of `core.cohorts.synthetic.cohort.CHANGES`.
        out: Folder for the cohort, the run and the result; new or empty.
        people: How many synthetic people.
        methods: Names; none for all that need no anatomy.
        seed: Of the people.
        say: Told what is being done.

    Raises:
        StageLensError: There is no such change, or the network did not learn it.
    """
    say(f"making {people_text(people)}")
    table = write_synthetic_cohort(out / "cohort", kind, people, seed=seed)
    everyone = table.assign(path=[str(out / "cohort" / path) for path in table["path"]], slice=table["height_mm"])
    write_table(out / "split.csv", split_by_subject(everyone.drop(columns=["truth", "height_mm"]), seed=1))
    say("training")
    request = Request(read_recipe(RECIPE), out / "split.csv", out / "run")
    predictor = load_predictor(train_bundle(request))
    chosen, regions, accuracy = _right_ones(predictor, table, out)
    if not chosen:
        raise StageLensError(f"the network did not learn to see {CHANGES[kind].title}; give it more people.")
    scores = []
    for record in explainers():
        if (methods and record.name not in methods) or (not methods and record.name == "regions"):
            continue
        say(record.title)
        found = explain(predictor, chosen, [CHANGED] * len(chosen), record.name)
        aligned = [localisation(heatmap_on_scan(one), region) for one, region in zip(found, regions, strict=True)]
        scores.append(_score(record.name, record.title, aligned))
    scores.sort(key=lambda score: (-score.pointing, -score.mass))
    answer = GroundTruthBenchmark(kind, accuracy, float(np.mean([region.mean() for region in regions])), tuple(scores))
    write_json(out / RESULT_FILE, answer.as_dict())
    return answer


def _right_ones(predictor: Predictor, table: pd.DataFrame, out: Path) -> tuple[list[Scan], list[np.ndarray], float]:
    """Return the changed test scans that the network calls so, their changed regions, and its accuracy on all test
    scans.
    """
    split = pd.read_csv(out / "split.csv")
    tested = set(split.loc[split["part"] == "test", "path"].map(lambda path: Path(path).name))
    rows = table[table["path"].map(lambda path: Path(path).name).isin(tested)]
    scans = [read_scan_file(out / "cohort" / path) for path in rows["path"]]
    right = np.array([one.answer for one in predictor.predict(scans)]) == rows["label"].to_numpy()
    chosen, regions = [], []
    for scan, row, fine in zip(scans, rows.itertuples(), right, strict=True):
        if fine and row.label == CHANGED:
            chosen.append(scan)
            truth = np.asarray(cv2.imread(str(out / "cohort" / row.truth), cv2.IMREAD_GRAYSCALE))
            regions.append(changed_region(np.asarray(truth > 0)))
    return chosen, regions, float(right.mean())


def _score(name: str, title: str, aligned: list[Localisation | None]) -> Score:
    def mean(attribute: str) -> float:
        return float(np.mean([0.0 if one is None else float(getattr(one, attribute)) for one in aligned]))

    return Score(
        method=name, title=title, pointing=mean("hit"), mass=mean("mass"), rank=mean("rank"), scans=len(aligned)
    )
