"""From a folder of scans to a trained, evaluated and explained network in one go that can be resumed."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from core.cohorts.cohort import holds_volumes
from core.cohorts.names.people import AUTOMATIC, Naming
from core.cohorts.plan import Files, files_of, plan_split
from core.cohorts.preprocess import SLICES, preprocess
from core.cohorts.split import read_split
from core.errors import CohortError, StageLensError
from core.evaluation.evaluation import evaluate_bundle
from core.files import read_json, write_json, write_table
from core.networks.bundle import Bundle, open_bundle
from core.networks.card import Card
from core.networks.fitting import recipe_for
from core.networks.recipe import Recipe
from core.reporting.pictures.overlays import save_pictures
from core.runs.folder import BUNDLE_FOLDER
from core.runs.request import claim, file_digest, folder_fingerprint, release, requested
from core.scans import read_scan_file
from core.training.listeners import SILENT, TrainingListener
from core.workflows.predict import predictor_of, read_scans
from core.workflows.reported_run import run_reported
from core.workflows.train import Request

PREPARED, SPLIT, RUN, EXPLANATIONS, EVALUATION = "preprocessed", "split.csv", "run", "explanations", "evaluation.json"


@dataclass(frozen=True, eq=False)
class FullRun:
    """What to do, from scans to explanations.

    Attributes:
        recipe: What to train.
        folder: Slices or volumes in any layout.
        out: Folder of everything that is made; what the same request made there already is not made again.
        by: A scheme of `core.cohorts.plan.plan_split`.
        weights: Start weights on disk.
        seed: Of the split.
        ordered: Whether classes of one's own are stages, in the order of their names.
        naming: Who is who, where the person says it.
    """

    recipe: Recipe
    folder: Path
    out: Path
    by: str = "auto"
    weights: Path | None = None
    seed: int = 1
    ordered: bool = False
    naming: Naming = AUTOMATIC


@dataclass(frozen=True, eq=False)
class FullOutcome:
    """What a full run left.

    Attributes:
        out: Its folder.
        card: Of the run.
        pictures: Explanations of one scan a class of the test part; none of classic classifiers and 3D networks.
    """

    out: Path
    card: Card
    pictures: tuple[Path, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"out": str(self.out), "card": self.card.as_dict(), "pictures": [str(path) for path in self.pictures]}


def full_run(wanted: FullRun, *, listener: TrainingListener = SILENT) -> FullOutcome:
    """Preprocess, split, train, evaluate and explain; each only if it is not done yet.

    Raises:
        TrainingError: The folder was made by another request: another recipe, folder of scans, split, seed, start
            weights or software.
        StageLensError: As raised by the rooms below.
    """
    asked = {"folder": folder_fingerprint(wanted.folder, without=wanted.out), "by": wanted.by, "seed": wanted.seed}
    pattern, ids = wanted.naming.pattern, wanted.naming.table
    asked |= {"ordered": wanted.ordered, "subject_pattern": pattern, "subjects": file_digest(ids) if ids else None}
    claim(wanted.out, requested(wanted.recipe, wanted.weights, **asked))
    split, run = wanted.out / SPLIT, wanted.out / RUN
    try:
        if not split.exists():
            _divide(wanted, split, listener)
    except StageLensError:
        release(wanted.out)
        raise
    request = Request(wanted.recipe, split, run, weights=wanted.weights, resume=True)
    card = run_reported(request, listener=listener).card
    assert card is not None  # noqa: S101 - whole recipes are trained here
    if not (run / BUNDLE_FOLDER).exists():
        return FullOutcome(wanted.out, card)
    bundle, table = open_bundle(run / BUNDLE_FOLDER), read_split(split)
    evaluation = wanted.out / EVALUATION
    if read_json(evaluation) is None:
        listener.say("evaluating")
        write_json(evaluation, evaluate_bundle(bundle, table, part=card.evaluated_on).as_dict())
    return FullOutcome(wanted.out, card, _explained(wanted, bundle, table, listener))


def _divide(wanted: FullRun, split: Path, listener: TrainingListener) -> None:
    """Write the split table."""
    files = _files(wanted, listener)
    planned = plan_split(files.table, wanted.by, seed=wanted.seed)
    made = planned.split
    recipe_for(wanted.recipe, made)  # refuses what cannot be trained before anything is written
    write_table(split, made)
    counts = ", ".join(f"{n} {part}" for part, n in made["part"].value_counts().items())
    listener.say(f"split by {made['by'].iloc[0]}: {counts}")
    for sentence in (*files.notes, *planned.notes):
        listener.say(sentence)


def _files(wanted: FullRun, listener: TrainingListener) -> Files:
    """Bring volumes into standard space if that is not done, and list what the recipe can be trained on."""
    folder, volumes = wanted.folder, wanted.recipe.depth is not None
    naming, notes = wanted.naming, tuple[str, ...]()
    prepared = (folder / "manifest.csv").exists()
    if holds_volumes(folder) and not prepared:
        folder = wanted.out / PREPARED
        listener.say("bringing the volumes into standard space")
        made = preprocess(
            wanted.folder,
            folder,
            slices=None if volumes else SLICES,
            naming=naming,
            say=lambda done, of, sentence: listener.say(f"{done} of {of}: {sentence}"),
        )
        if made.manifest.empty:
            raise CohortError(f"no volume of {wanted.folder} came to lie in standard space.")
        naming, notes = AUTOMATIC, made.notes
    listener.say("looking into the folder" if volumes else "auditing")
    files = files_of(folder, naming, ordered=wanted.ordered)
    return replace(files, notes=(*notes, *files.notes))


def _explained(wanted: FullRun, bundle: Bundle, table: pd.DataFrame, listener: TrainingListener) -> tuple[Path, ...]:
    """Explain the first scan of each class of the test part, unless its pictures are there as they were written."""
    if wanted.recipe.depth is not None:
        return ()
    folder = wanted.out / EXPLANATIONS
    done = folder / "done.json"
    known = read_json(done)
    if isinstance(known, dict) and all(_is_same(folder / name, digest) for name, digest in known.items()):
        return tuple(folder / name for name in known)
    listener.say("explaining one scan a class")
    tested = table[table["part"] == "test"] if "test" in set(table["part"]) else table
    written: list[Path] = []
    for label, rows in tested.groupby("label"):
        scan = read_scan_file(rows["path"].iloc[0])
        try:
            (reading,) = read_scans([scan], predictor_of(bundle.folder))
            files = save_pictures(reading, folder / str(label).replace(" ", "_"), scan.name, opacity=0.5)
        except StageLensError as error:  # a network hardly trained may have no evidence to show
            listener.say(f"{label}: {error}")
            continue
        written += files.values()
    folder.mkdir(exist_ok=True)
    write_json(done, {path.relative_to(folder).as_posix(): file_digest(path) for path in written})
    return tuple(written)


def _is_same(path: Path, digest: Any) -> bool:
    return path.is_file() and file_digest(path) == digest
