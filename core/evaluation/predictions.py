"""What a network said of scans, ready to be measured: read from a run's folder, or said anew by a bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.cohorts.split import read_split
from core.cohorts.split_summary import describe_split
from core.errors import StageLensError
from core.networks.bundle import Bundle, open_bundle
from core.networks.recipe import Recipe
from core.results import SplitSummary
from core.runs.folder import SPLIT_FILE, read_predictions, recipe_of_run
from core.runs.request import missing_folds
from core.words import counted, either, people


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network said of scans.

    Attributes:
        name: Of the recipe or bundle.
        title: The same for people.
        recipe: Its recipe.
        part: The part that is measured.
        folds: A table, or one a fold: path, label, subject, part, slice where known, and a logit a class.
        split: As `describe_split` says; None where it is not known.
        own_split: Whether nobody but the training part has trained it.
        warnings: What must be said with every figure.
    """

    name: str
    title: str
    recipe: Recipe
    part: str
    folds: list[pd.DataFrame]
    split: SplitSummary | None = None
    own_split: bool = True
    warnings: tuple[str, ...] = ()

    @property
    def asked(self) -> pd.DataFrame:
        """The rows of the part that is measured, of all folds."""
        return self.rows(self.part)

    @property
    def parts(self) -> list[str]:
        """The parts there are predictions of, in order."""
        there = set(pd.concat(self.folds)["part"])
        return [name for name in ("train", "val", "test") if name in there]

    def rows(self, part: str) -> pd.DataFrame:
        """Return the rows of a part, of all folds."""
        together = pd.concat(self.folds, ignore_index=True)
        return together[together["part"] == part].reset_index(drop=True)


def predictions_of_run(run: Path) -> Predictions:
    """Return what a finished run, or a cross-validation, said.

    Raises:
        StageLensError: The folder holds no finished run.
    """
    recipe, folds, split = recipe_of_run(run), read_predictions(run), None
    part = "test" if any((table["part"] == "test").any() for table in folds) else "val"
    if (run / "split.csv").exists():
        split = describe_split(read_split(run / "split.csv"))
    warnings = [split.subject_overlap] if split and split.subject_overlap else []
    missing = missing_folds(run)
    if missing:
        warnings.append(_untested(missing, pd.concat(folds)))
    return Predictions(
        name=f"{recipe.name} ({run.name})",
        title=recipe.title,
        recipe=recipe,
        part=part,
        folds=folds,
        split=split,
        warnings=tuple(warnings),
    )


def predictions_of_phase(run: Path, phase: int) -> Predictions:
    """Ask a run's network, as one of its phases left it, about the test part of its split (or validation without one).

    Args:
        run: The run's folder.
        phase: The phase's number, from 1.

    Raises:
        StageLensError: The folder holds no run, or not that checkpoint.
    """
    from core.networks.backend import compile_forward, in_batches
    from core.networks.checkpoint import network_of_phase
    from core.networks.subset import load_subset

    recipe = recipe_of_run(run)
    if not (run / SPLIT_FILE).is_file():
        raise StageLensError(f"{run} holds no split; give a run of one split, such as one fold, to ask its phases.")
    network, split = network_of_phase(run, phase, recipe), read_split(run / SPLIT_FILE)
    part = "test" if (split["part"] == "test").any() else "val"
    described = describe_split(split)
    rows = split[split["part"] == part].reset_index(drop=True)
    said = in_batches(compile_forward(network), load_subset(split, part, recipe).scans, recipe.batch_size)
    return Predictions(
        name=f"{recipe.name} ({run.name}), phase {phase}",
        title=f"{recipe.title}, as phase {phase} left it",
        recipe=recipe,
        part=part,
        folds=[with_logits(rows, said, recipe)],
        split=described,
        warnings=(described.subject_overlap,) if described.subject_overlap else (),
    )


def predictions_of_bundle(bundle: Bundle, split: pd.DataFrame, *, part: str = "test") -> Predictions:
    """Ask a bundle about the scans of a split.

    Args:
        bundle: What predicts.
        split: A split table; of the bundle's own, every part is predicted, to see how far it overfits.
        part: The part that is to be measured.

    Raises:
        StageLensError: As raised by the rooms below.
    """
    from core.networks.backend import compile_forward, in_batches
    from core.networks.inference.loading import load_predictor
    from core.networks.subset import load_subset

    described = describe_split(split)
    own = described.hash == bundle.card.split.hash
    predictor, tables = load_predictor(bundle), []
    is_network = bundle.recipe.morphometry is None
    forward = compile_forward(predictor.network) if is_network else predictor.logits_of
    for name in sorted(set(split["part"])) if own else [part]:
        data = load_subset(split, name, bundle.recipe)
        said = in_batches(forward, data.scans, bundle.recipe.batch_size)
        rows = split[split["part"] == name].reset_index(drop=True)
        tables.append(with_logits(rows, said, bundle.recipe))
    return Predictions(
        name=bundle.name,
        title=bundle.card.title,
        recipe=bundle.recipe,
        part=part,
        folds=[pd.concat(tables, ignore_index=True)],
        split=described,
        own_split=own,
        warnings=split_warnings(bundle, described, part),
    )


def split_warnings(bundle: Bundle, split: SplitSummary, part: str) -> tuple[str, ...]:
    """Return what must be said with all that a bundle shows of a part of a split: whether it knows these people.

    Args:
        bundle: The trained network.
        split: As `describe_split` says.
        part: Of the split.
    """
    warnings = []
    if bundle.recipe.asks_for_age:
        warnings.append("A bundle is asked without ages here: evaluate its run to see what it says with them.")
    if split.hash != bundle.card.split.hash:
        warnings.append("This is not the split the bundle was trained on: it may have been trained on these scans.")
    elif part != "test":
        warnings.append(f"The bundle was trained or chosen on the {part} part of this split.")
    if split.subject_overlap:
        warnings.append(split.subject_overlap)
    return tuple(warnings)


def predictions_for(
    target: str | Path, split: Path | None = None, *, part: str = "test", phase: int | None = None
) -> Predictions:
    """Return what a run said, or with a split what a bundle says.

    Args:
        target: Folder of a run or cross-validation; or with a split, name or folder of a bundle.
        split: The table whose scans a bundle predicts.
        part: Of the split.
        phase: Of a run: its network as this phase left it, asked anew; None for what it said in the end.

    Raises:
        StageLensError: There is no such run, bundle, part or phase.
    """
    if phase is not None:
        return predictions_of_phase(Path(target), phase)
    if split is None:
        return predictions_of_run(Path(target))
    table = read_split(split)
    if not (table["part"] == part).any():
        raise StageLensError(f"{split} has no {part} part.")
    return predictions_of_bundle(open_bundle(target), table, part=part)


def _untested(missing: Sequence[str], table: pd.DataFrame) -> str:
    """Say which folds are missing and who is not tested therefore, of the predictions of the others."""
    known = bool((table["subject"] != "").all())
    unit = table["subject" if known else "path"]
    whole, left = unit.nunique(), unit.nunique() - unit[table["part"] == "test"].nunique()
    who = f"{left:,} of {people(whole) if known else counted(whole, 'scan')}" if left else "those in it"
    which = f"{either(missing, 'and')} {'is' if len(missing) == 1 else 'are'} missing"
    return f"The cross-validation is not finished: {which}, and {who} {'was' if left == 1 else 'were'} not tested."


def with_logits(rows: pd.DataFrame, logits: np.ndarray, recipe: Recipe) -> pd.DataFrame:
    """Return the rows of a split table with what a network said of them, a logit a class."""
    known = rows[["path", "label", "subject", "part", "slice"]].reset_index(drop=True)
    return known.join(pd.DataFrame(logits, columns=[f"logit {title}" for title in recipe.classes]))
