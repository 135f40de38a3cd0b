"""From a cohort's volumes to what networks train on: axial slices in standard space, or cubes; and slices to volumes.

A run can be stopped at any time: a volume enters the manifest once its files are written, and is not processed again.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xxhash
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from core.cohorts.audit import Audit
from core.cohorts.cohort import index_volumes
from core.cohorts.manifest import COLUMNS, LEFT_OUT, MANIFEST, read_manifest, write_manifest
from core.cohorts.names.people import AUTOMATIC, Naming, notes_on
from core.cohorts.plan.notices import notices
from core.cohorts.tasks import task_of_table, write_task
from core.errors import CohortError, ScanError
from core.files import files_below, read_file, read_json, write_json
from core.scans import read_scan_file
from core.scans.registration.head import AFFINE, ORIGIN_MM, SHAPE, StandardHead
from core.scans.registration.standard_space import TRAINED_HEIGHTS_MM, axial_slices, to_standard_space
from core.scans.writing import write_nifti, write_png
from core.words import first_free

SLICES = 20  # per subject, as in S4
CUBE = 128
SLICES_EACH = 32  # of each person of the Alzheimer set, 1 mm apart
SETTINGS = "preprocess.json"
Say = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """The result of a preprocessing run.

    Attributes:
        manifest: One row per file: path, label, subject, session, height_mm, source, verdict, similarity, digest.
        left_out: `source` and `reason` of each volume that could not be processed.
        without_class: How many volumes were left out because their class is unknown.
        resumed: How many volumes were already done.
        notes: What was not read and how people are known, a sentence each.
    """

    manifest: pd.DataFrame
    left_out: pd.DataFrame
    without_class: int
    resumed: int
    notes: tuple[str, ...] = ()


def preprocess(
    folder: str | Path,
    out: str | Path,
    *,
    slices: int | None = SLICES,
    bias_correction: bool = True,
    naming: Naming = AUTOMATIC,
    say: Say | None = None,
) -> Preprocessed:
    """Align every volume of a cohort to standard space and write slices (PNG) or cubes (NIfTI) by class.

    Args:
        folder: A cohort of volumes in any layout.
        out: Folder to write to; what an earlier run wrote there of the same volumes, classes and people is kept.
        slices: Axial slices per volume, evenly spaced over the heights of the training slices; None for 128³ cubes.
        bias_correction: As for `to_standard_space`.
        naming: Who is who, as for `index_volumes`.
        say: Called with the number of volumes done, their total, and a sentence.

    Raises:
        CohortError: The folder is not a cohort of volumes, or `out` holds something else, or what other settings, or
            other volumes, made.
    """
    table, without_class = index_volumes(folder, naming)
    root, out = Path(folder), Path(out)
    _ready(out)
    _claim(out, {"slices": slices, "bias_correction": bias_correction})
    sources = [Path(path).relative_to(root).as_posix() for path in table["path"]]
    manifest, failures, resumed = read_manifest(out), [], 0
    gone = sorted(set(manifest["source"]) - set(sources))
    if gone:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        raise CohortError(f"{out} holds what was made of {gone[0]}{more}, not in {folder} now; give a new folder.")
    for number, (row, source) in enumerate(zip(table.itertuples(), sources, strict=True), start=1):
        done, digest = manifest[manifest["source"] == source], _digest_or_none(Path(str(row.path)))
        known = {(row.label, row.subject, row.session, digest)}
        same = set(done[["label", "subject", "session", "digest"]].itertuples(index=False, name=None)) == known
        if same and len(done) == (slices or 1) and all((out / path).is_file() for path in done["path"]):
            resumed += 1
            continue
        for path in done["path"]:
            (out / path).unlink(missing_ok=True)
        manifest = manifest[manifest["source"] != source]
        try:
            head = to_standard_space(read_scan_file(str(row.path)), bias_correction=bias_correction)
            made = list(_written(head, out, row, slices, set(manifest["path"].str.casefold())))
        except ScanError as error:
            failures.append((source, str(error)))
            if say is not None:
                say(number, len(table), f"left out: {error}")
            continue
        quality = head.quality
        fresh = [(*item, source, quality.verdict, round(quality.similarity, 4), digest) for item in made]
        manifest = pd.concat([manifest, pd.DataFrame(fresh, columns=list(COLUMNS))], ignore_index=True)
        write_manifest(out, manifest)
        if say is not None:
            say(number, len(table), f"{row.subject or source}: {quality.verdict}")
    left_out = pd.DataFrame(failures, columns=["source", "reason"])
    write_manifest(out, left_out, name=LEFT_OUT)
    write_task(out, task_of_table(table))
    return Preprocessed(manifest, left_out, without_class, resumed, (*notices(folder), *notes_on(table)))


def volumes_from_slices(audit: Audit, out: str | Path) -> pd.DataFrame:
    """Stack the slices of each person in an audited folder, inferior to superior, into a NIfTI volume.

    The slices are assumed to be like those of the Alzheimer set: 176 × 208 mm of standard space, 1 mm apart, beginning
    3 mm below the AC–PC line, whatever the number of pixels they were resized to.

    Args:
        audit: The audit of a folder in which people and their order were found.
        out: Folder to write to.

    Returns:
        The manifest: one row per volume.

    Raises:
        CohortError: People were not found, they are not all whole, or `out` holds something else.
    """
    if not audit.people.found or audit.task.name != "alzheimer":
        raise CohortError(
            "volumes can be made only from slices of the Alzheimer set whose people and order were found."
        )
    for subject, count in audit.table["subject"].value_counts(sort=False).items():
        if count != SLICES_EACH:
            raise CohortError(
                f"{subject} has {count} slices; the heights of slices are known of the Alzheimer set only, which has "
                f"{SLICES_EACH} of each person."
            )
    out = Path(out)
    _ready(out)
    rows = []
    for subject, group in audit.table.sort_values(["subject", "slice"]).groupby("subject"):
        slices = [read_scan_file(path).picture() for path in group["path"]]
        if len({picture.shape for picture in slices}) > 1:
            raise CohortError(f"the slices of {subject} differ in size; volumes need slices of one size.")
        label = str(group["label"].mode().iloc[0])
        relative = Path(_folder_name(label)) / f"{subject}.nii.gz"
        (out / relative).parent.mkdir(parents=True, exist_ok=True)
        voxels, affine = stacked(np.stack(slices))
        write_nifti(out / relative, voxels, affine)
        source = f"{len(slices)} slices"
        rows.append((relative.as_posix(), label, subject, "", TRAINED_HEIGHTS_MM[0], source, "", np.nan, ""))
    manifest = pd.DataFrame(rows, columns=list(COLUMNS))
    write_manifest(out, manifest)
    return manifest


def stacked(slices: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Stack slices of standard space into a volume.

    Args:
        slices: uint8, slices × rows (back to front) × columns (the patient's right to left), the lowest first.

    Returns:
        uint8, X × Y × Z along RAS+, and its affine: the pixels of a slice cover 176 × 208 mm, slices are 1 mm apart.
    """
    _, rows, columns = slices.shape
    step = np.array([SHAPE[0] / columns, SHAPE[1] / rows, 1.0])
    affine = np.diag([*step, 1.0])
    affine[:2, 3] = np.array(ORIGIN_MM[:2]) - 0.5 + step[:2] / 2
    affine[2, 3] = TRAINED_HEIGHTS_MM[0]
    return np.ascontiguousarray(slices.transpose(2, 1, 0)[::-1]), affine


def cube_of(head: StandardHead) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return a head as 128³ voxels of 1.625 mm, uint8 along RAS+, and its affine; it spans the grid's longest side.

    Raises:
        NoHead: The head could not be aligned to standard space.
    """
    axial_slices(head, np.zeros(0))  # raises NoHead if the alignment failed
    step = max(SHAPE) / CUBE
    index = np.diag([step, step, step, 1.0])
    index[:3, 3] = (np.array(SHAPE) - 1) / 2 - step * (CUBE - 1) / 2
    cube = affine_transform(head.scan.voxels, index[:3, :3], index[:3, 3], output_shape=(CUBE,) * 3, order=1)
    return np.clip(cube.round(), 0, 255).astype(np.uint8), AFFINE @ index


def _written(
    head: StandardHead, out: Path, row: object, slices: int | None, taken: Collection[str]
) -> Iterator[tuple[str, str, str, str, float]]:
    """Write the files of one volume, none of them over another's; yield path, label, subject, session and height."""
    label, subject, session = (str(getattr(row, name)) for name in ("label", "subject", "session"))
    stem = re.sub(r"[^\w.-]+", "_", "_".join(part for part in (subject or head.scan.name, session) if part))
    relative = Path(_folder_name(label))
    (out / relative).mkdir(parents=True, exist_ok=True)
    heights = np.linspace(*TRAINED_HEIGHTS_MM, slices or 0).round()
    endings = [f"_z{round(float(height)):+03d}.png" for height in heights] or [".nii.gz"]

    def is_taken(name: str) -> bool:
        return any((relative / f"{name}{ending}").as_posix().casefold() in taken for ending in endings)

    free = first_free(stem, is_taken)
    if slices is None:
        write_nifti(out / relative / f"{free}.nii.gz", *cube_of(head))
        yield (relative / f"{free}.nii.gz").as_posix(), label, subject, session, float("nan")
        return
    for height, ending, scan in zip(heights, endings, axial_slices(head, heights), strict=True):
        path = relative / f"{free}{ending}"
        write_png(out / path, scan.picture())
        yield path.as_posix(), label, subject, session, float(height)


def _ready(out: Path) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file()):
        raise CohortError(f"{out} holds something else; give a new folder, or that of an earlier run.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CohortError(f"{out} cannot be created: {error.strerror}.") from error


def _claim(out: Path, settings: dict[str, object]) -> None:
    """Note the settings a folder is made with, or see that they are the same."""
    known = read_json(out / SETTINGS)
    if known is None and not (out / MANIFEST).is_file():
        write_json(out / SETTINGS, settings)
    elif known != settings:
        said = "does not say with which settings it was made"
        if isinstance(known, dict):
            said = f"was made with {_in_words(known)}"
        raise CohortError(f"{out} {said}, and now {_in_words(settings)} is asked for; give a new folder.")


def _in_words(settings: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _digest(path: Path) -> str:
    """Return the XXH3 of a volume's files."""
    files = list(files_below(path)) if path.is_dir() else [path, path.with_suffix(".img")]
    found = xxhash.xxh3_128()
    for file in files:
        if file.is_file():
            found.update(read_file(file))
    return str(found.hexdigest())


def _digest_or_none(path: Path) -> str:
    """Return the same, "" for a volume that cannot be opened, which says so when it is read."""
    try:
        return _digest(path)
    except OSError:
        return ""


def _folder_name(label: str) -> str:
    return label.replace(" ", "_")
