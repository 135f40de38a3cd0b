"""What a card says of scans and people: counted in the split table and read in the manifest, or said to be unknown."""

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from core.cohorts.manifest import COLUMNS, MANIFEST, read_manifest
from core.files import read_file
from core.networks.recipe import Recipe
from core.results import Confounders
from core.words import people as people_text

FEW = 5  # people of a class; with fewer nothing can be said of it
ABOVE = 4  # folders above a scan in which its manifest is looked for
ORIGIN, LONGEST = "about.txt", 300  # a set's own words on what it is, and how much of their first line is read
UNKNOWN = "Not known of these people, and so not looked into:"
FACTS = ("age", "sex", "site")


def data_sentences(split: pd.DataFrame, recipe: Recipe) -> tuple[str, ...]:
    """Say how many scans of whom there are, and what is known of how they were prepared.

    Args:
        split: The split table.
        recipe: Whose classes.
    """
    known = bool((split["subject"] != "").all())
    counts = [f"{name} {_counted(split[split['label'] == name], known=known)}" for name in recipe.classes]
    whose = "" if known else " Whose scans they are is not known."
    origin = origin_of(split["path"])
    return (
        f"In all {_counted(split, known=known)}: {', '.join(counts)}.{whose}",
        _prepared(split),
        *([f"About the scans: {origin}"] if origin else []),
    )


def origin_of(paths: Iterable[str]) -> str:
    """Return the first line of the about.txt in a folder of scans, or up to three folders above; "" without one."""
    told = (folder / ORIGIN for folder in _folders_above({Path(path) for path in paths}))
    found = next((path for path in told if path.is_file()), None)
    if found is None:
        return ""
    first, *_ = [*read_file(found).decode("utf-8", errors="replace").strip().splitlines(), ""]
    return " ".join(re.sub(r"[<>`|*\[\]\\]", " ", first).split())[:LONGEST]  # words, nothing that a page would obey


def limit_sentences(split: pd.DataFrame, recipe: Recipe, part: str) -> tuple[str, ...]:
    """Say what cannot be concluded from these scans.

    Args:
        split: The split table.
        recipe: Whose classes, and what it reads of volumes.
        part: The part that was measured.
    """
    known = bool((split["subject"] != "").all())
    limits = [
        "It was trained and measured on one set of scans; how it does on scans from elsewhere, or prepared otherwise, "
        "was not measured."
    ]
    if not known:
        limits.append(
            "Whose scans these are is not known: slices of one person may lie in several parts, and metrics may "
            "measure the recognition of people."
        )
    for name in recipe.classes:
        rows = split[split["label"] == name]
        if not (rows["part"] == "train").any():
            limits.append(f"{name}: no scan in the training part; the network has never seen this class.")
        tested = rows[rows["part"] == part]
        unit = "people" if known else "scans"
        count = int(tested["subject"].nunique()) if known else len(tested)
        if count < FEW:
            counted = people_text(count) if known else _scans(count)
            limits.append(f"{name}: {counted} in the {part} part, fewer than the {FEW} {unit} a statement needs.")
    if recipe.slices is not None and not _manifest(split)["verdict"].astype(bool).any():
        limits.append(
            "Of volumes it reads slices that are cut after alignment to standard space; none of the scans it was "
            "measured on is known to be such a slice."
        )
    return tuple(limits)


def unknown_facts(confounders: Confounders | None) -> str:
    """Say which facts about people no table of subjects gave."""
    groups = () if confounders is None else confounders.groups
    known = {one.name for group in groups for one in group.covariates if one.people}
    return f"{UNKNOWN} {', '.join([*(name for name in FACTS if name not in known), 'scanner'])}."


def _prepared(split: pd.DataFrame) -> str:
    """Say how the scans were made, as far as a manifest beside them knows it."""
    manifest = _manifest(split)
    aligned = manifest[manifest["verdict"] != ""]
    if aligned.empty:
        return "How the scans were prepared (skull-stripping, bias correction, alignment) is not recorded."
    volumes = aligned.drop_duplicates("source")
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in volumes["verdict"].value_counts().items())
    said = f"{_scans(len(aligned))} were made from {len(volumes)} volumes aligned to standard space ({verdicts})"
    heights = aligned["height_mm"].dropna()
    if len(heights):
        said += f", {heights.min():+g} to {heights.max():+g} mm above the AC–PC line".replace("-", "−")
    rest = len(split) - len(aligned)
    return f"{said}." + (f" {_scans(rest)} came without such a record." if rest else "")


def _manifest(split: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the manifests beside the scans that are of these scans."""
    scans = {Path(path) for path in split["path"]}
    found = [pd.DataFrame(columns=list(COLUMNS))]
    for folder in _folders_above(scans):
        if (folder / MANIFEST).is_file():
            rows = read_manifest(folder)
            own = rows[[folder / path in scans for path in rows["path"]]]
            found.append(own.assign(verdict=own["verdict"].fillna("").astype(str)))
    kept = [rows for rows in found if len(rows)] or found[:1]
    return pd.concat(kept, ignore_index=True)


def _folders_above(scans: Iterable[Path]) -> list[Path]:
    return sorted({folder for scan in {path.parent for path in scans} for folder in [scan, *scan.parents][:ABOVE]})


def _counted(rows: pd.DataFrame, *, known: bool) -> str:
    return _scans(len(rows)) + (f" of {people_text(int(rows['subject'].nunique()))}" if known else "")


def _scans(count: int) -> str:
    return "1 scan" if count == 1 else f"{count:,} scans"
