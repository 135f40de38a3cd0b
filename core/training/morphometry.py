"""Morphometric models from a split: tissue maps made once and kept, ages looked up, a model fitted to the people."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.cohorts.covariates import covariates_of, read_subjects
from core.errors import CohortError, TrainingError
from core.files import replacing
from core.morphometry.fit import Learned, check_people, fit_tissue_model
from core.morphometry.maps import inside_of, maps_of
from core.morphometry.model import TissueModel
from core.morphometry.tissue import tissues_of
from core.networks.recipe import Recipe
from core.networks.subset import Subset, together
from core.training.listeners import TrainingListener

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LearnedTissue:
    """A morphometric model and those it was learned from.

    Attributes:
        model: The model.
        maps: float32, by part, N × 2 × d × h × w.
        logits: float32, by part, N × classes; everybody it has learned from is answered by a model of an inner fold
            that has not seen them.
        crossed: Those it has learned from whose class it answers, and these logits. Of a class that is never answered
            nothing can be learned about how probable it is.
    """

    model: TissueModel
    maps: dict[str, Floats]
    logits: dict[str, Floats]
    crossed: tuple[Subset, Floats]


LEARNED = ("train", "val")  # there is nothing to stop early by, so the validation part is learned from, too


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of people, by part.

    Attributes:
        ages: float64, N, years; NaN where unknown.
        mmse: float64, N, points of the Mini-Mental State Examination; NaN where unknown. Learned from, never asked.
    """

    ages: dict[str, NDArray[np.float64]]
    mmse: dict[str, NDArray[np.float64]]


def facts_of(people: Path | None, split: pd.DataFrame, parts: Mapping[str, Subset]) -> Facts:
    """Return what a table says of each part's people; NaN without a table.

    Raises:
        CohortError: The table cannot be read, or none of the people is in it.
    """
    known = pd.DataFrame(index=range(len(split)))
    if people is not None:
        paths, subjects = split["path"].tolist(), split["subject"].tolist()
        known = covariates_of(read_subjects(people), paths, subjects, names=("age", "mmse"))

    def by_part(column: str) -> dict[str, NDArray[np.float64]]:
        values = known[column].to_numpy(np.float64) if column in known else np.full(len(split), np.nan)
        return {name: values[(split["part"] == name).to_numpy()] for name in parts}

    return Facts(by_part("age"), by_part("mmse"))


def learn_tissue_model(
    recipe: Recipe,
    parts: Mapping[str, Subset],
    facts: Facts,
    store: Path,
    listener: TrainingListener,
) -> LearnedTissue:
    """Fit a morphometric model to the training and validation people.

    Args:
        recipe: One with morphometry.
        parts: Of the split.
        facts: What is known of the people.
        store: Folder in which maps are kept, one file a scan.
        listener: Told how it goes.

    Raises:
        TrainingError: The classes have no order or no impaired, or there are too few people.
        CohortError: A volume holds no head.
    """
    task = recipe.as_task()
    if not task.ordered or not task.decides:
        raise TrainingError(f"{recipe.name} is for stages of a disease, and {task.title} has none.")
    assert recipe.morphometry is not None  # noqa: S101 - the caller has looked
    names = [name for name in LEARNED if name in parts]
    labels, ages, mmse = (
        np.concatenate([given[name] for name in names])
        for given in ({name: part.labels for name, part in parts.items()}, facts.ages, facts.mmse)
    )
    check_people(np.array(task.positives)[labels], ages, age=recipe.asks_for_age)
    listener.say("dividing the scans into tissues")
    found = {
        name: [_kept_maps(store, part, index) for index in range(len(part.labels))] for name, part in parts.items()
    }
    maps = {name: np.stack([one for one, _ in given]) for name, given in found.items()}
    people = Learned(
        maps=np.concatenate([maps[name] for name in names]),
        inside=np.mean([inside for name in names for _, inside in found[name]], axis=0, dtype=np.float32),
        labels=labels,
        impaired=tuple(task.positives),
        ages=ages,
        mmse=mmse,
    )
    listener.say(f"fitting {recipe.morphometry.kind.replace('_', ' ')} to {len(people)} people")
    model, answered = fit_tissue_model(people, kind=recipe.morphometry.kind, age=recipe.asks_for_age, seed=recipe.seed)
    ends = np.cumsum([len(parts[name].labels) for name in names])[:-1]
    logits = dict(zip(names, np.split(answered, ends), strict=True))
    n_classes = len(recipe.classes)
    for name in (name for name in parts if name not in logits):
        logits[name] = model.logits(maps[name], n_classes, facts.ages[name] if recipe.asks_for_age else None)
    told = np.isin(people.labels, model.without_age.told)
    return LearnedTissue(model, maps, logits, (together([parts[name] for name in names], told), answered[told]))


def _kept_maps(store: Path, part: Subset, index: int) -> tuple[Floats, Floats]:
    """Return the maps of a scan and where its head lies, from disk or made now."""
    scan = np.asarray(part.scans[index, ..., 0], np.float32)
    size = "x".join(map(str, scan.shape))
    path = store / f"tissue_{size}_{part.digests[index]}.npz"
    if path.is_file():
        with np.load(path) as kept:
            return kept["maps"].astype(np.float32), kept["inside"].astype(np.float32)
    tissues = tissues_of(scan)
    if tissues is None:
        raise CohortError(
            f"a volume of the {part.name} part (SHA-256 {part.digests[index][:12]}) does not divide into fluid, grey "
            "and white matter; morphometry needs T1 slices of heads without skull."
        )
    maps, inside = maps_of(tissues).astype(np.float16), inside_of(tissues).astype(np.float16)
    store.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished, unfinished.open("wb") as stream:
        np.savez(stream, maps=maps, inside=inside)
    return maps.astype(np.float32), inside.astype(np.float32)
