"""What a folder was asked for: noted before anything is made in it, and compared before anything of it is used again.

That something exists does not mean that it is what is asked for now. The run folder of a training notes its request in
run.json; what holds several steps or runs (a full run, a cross-validation) in request.json.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import xxhash

from core.backend_choice import installed_version, settled_backend
from core.cohorts.split import split_hash
from core.errors import TrainingError
from core.files import PROJECT, UNFINISHED, files_below, read_json, sha256_of, write_json
from core.networks.recipe import Recipe
from core.networks.recipe_files import recipe_values
from core.runs.folder import RUN_FILE, is_finished
from core.runs.jobs import JOB_FOLDER
from core.runs.status import STATUS_FILE, STOP_FILE

REQUEST_FILE = "request.json"
NOT_OF_THE_RUN = frozenset({STATUS_FILE, STOP_FILE, JOB_FOLDER})  # how it was started, and how it stands
PACKAGES = ("keras", "numpy", "opencv-python-headless", "scikit-image", "scikit-learn")
LEFTOVERS = frozenset({"thumbs.db", "desktop.ini"})  # that file managers write
SHOWN = 3  # values that differ; of more, the number is said
LONGEST = 40  # a value of more characters, such as a sum, is not said
TITLES = {
    "split_hash": "split",
    "split_by": "way of splitting",
    "split_seed": "seed of the split",
    "seed": "seed of the split",
    "by": "way of splitting",
    "ordered": "order of the classes",
    "subject_pattern": "pattern of the subjects",
    "subjects": "table of the subjects",
    "folder": "content of the folder of scans",
    "data_fingerprint": "content of the scans",
    "weights": "file of start weights",
    "people": "table of people",
    "folds": "number of folds",
    "versions": "version of the software",
}


def requested(recipe: Recipe, weights: Path | None, **others: Any) -> dict[str, Any]:
    """Return what decides how a training comes out, as plain values for JSON.

    Args:
        recipe: With its settings.
        weights: Start weights on disk; None without.
        others: What else does.

    Raises:
        TrainingError: The weights cannot be opened.
    """
    sums = {"weights": None if weights is None else file_digest(weights), "versions": versions()}
    return {"recipe": recipe_values(recipe), **others, **sums}


def split_values(split: pd.DataFrame) -> dict[str, Any]:
    """Return what a split table is known by: who is in which part, how that was decided, and with which seed."""
    by, seed = (" ".join(sorted(set(split[column].astype(str)))) for column in ("by", "seed"))
    return {"split_hash": split_hash(split), "split_by": by, "split_seed": seed}


def versions() -> dict[str, str]:
    """Return the backend, and the versions of the packages that numbers depend on."""
    backend = settled_backend().backend
    found = {"stagelens": _own_version(), "backend": backend}
    known = {name: installed_version(name) for name in (*PACKAGES, backend)}
    return found | {name: version for name, version in known.items() if version}


def _own_version() -> str:
    found = installed_version("stagelens")
    if not found:  # it runs from its own folder
        found = str(tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
    return found


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        TrainingError: It cannot be opened.
    """
    try:
        return sha256_of(path)
    except OSError as error:
        raise TrainingError(f"{path} cannot be opened: {error.strerror}.") from error


def folder_fingerprint(folder: Path, *, without: Path) -> str:
    """Return the XXH3 of the names and contents of all files in a folder, wherever it lies.

    Args:
        folder: Of scans and tables.
        without: Left out, in case it lies in there: what is being made. So are hidden files.

    Raises:
        TrainingError: A file cannot be opened.
    """
    found, left_out = xxhash.xxh3_128(), without.resolve()
    for file in files_below(folder):
        name = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts) or name.name.lower() in LEFTOVERS
        if hidden or left_out in file.resolve().parents:
            continue
        try:
            data = file.read_bytes()
        except OSError as error:
            raise TrainingError(f"{file} cannot be opened: {error.strerror}.") from error
        found.update(f"{name.as_posix()}\0{xxhash.xxh3_128_hexdigest(data)}\n".encode())
    return str(found.hexdigest())


def claim(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Note what a folder is for, or see that it is for the very same.

    Raises:
        TrainingError: It holds something else, or what another request made; says what differs.
    """
    if folder.exists() and not folder.is_dir():
        raise TrainingError(f"{folder} is a file; give a folder.")
    known = read_json(folder / REQUEST_FILE)
    if known is None:
        if [path for path in contents(folder) if path.name != UNFINISHED + REQUEST_FILE]:
            raise TrainingError(f"{folder} is not empty and does not say what was asked for in it; give a new folder.")
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / REQUEST_FILE, dict(wanted))
        return
    check_same(folder, known, wanted)


def missing_folds(folder: Path) -> list[str]:
    """Name the folds of a cross-validation's first repeat that were asked for and are not finished; none of a run."""
    if (folder / RUN_FILE).exists():
        return []
    asked = read_json(folder / REQUEST_FILE)
    count = asked.get("folds", 0) if isinstance(asked, dict) else 0
    names = [f"repeat1_fold{number}" for number in range(1, count + 1)]
    names += sorted({path.name for path in folder.glob("repeat1_fold*/")} - set(names))
    return [name for name in names if not is_finished(folder / name)]


def release(folder: Path) -> None:
    """Forget what a folder was for, where nothing was made in it."""
    if [path.name for path in contents(folder)] == [REQUEST_FILE]:
        (folder / REQUEST_FILE).unlink()


def contents(folder: Path) -> list[Path]:
    """List what a folder holds beside how a run in it was started and stands; nothing where there is none."""
    found = folder.iterdir() if folder.is_dir() else ()
    return [path for path in found if path.name.removeprefix(UNFINISHED) not in NOT_OF_THE_RUN]


def check_same(folder: Path, known: Any, wanted: Mapping[str, Any]) -> None:
    """See that what is asked for is what was asked for.

    Args:
        folder: What was made.
        known: The request it was made for, as read from JSON.
        wanted: The request now, by its parts.

    Raises:
        TrainingError: A part differs; says which, and its first values that do.
    """
    if not isinstance(known, Mapping):
        raise TrainingError(f"{folder} cannot be resumed: what was asked for in it is damaged; give a new folder.")
    before = _values(known)
    for part, value in wanted.items():
        now = _values({part: value})
        was = {name: one for name, one in before.items() if name == part or name.startswith(f"{part}.")}
        if now != was:
            raise TrainingError(
                f"{folder} holds another {TITLES.get(part, part)}{_difference(part, was, now)}; give a new folder, or "
                "ask for what was asked for before."
            )


def _values(request: Any, name: str = "") -> dict[str, Any]:
    """Return the values of nested tables and lists by dotted names, counted from 1."""
    if isinstance(request, Mapping):
        items = [(str(key), value) for key, value in request.items()]
    elif isinstance(request, list | tuple):
        items = [(str(number), value) for number, value in enumerate(request, start=1)]
    else:
        return {name: request}
    return {key: one for last, value in items for key, one in _values(value, f"{name}.{last}".lstrip(".")).items()}


def _difference(part: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say the first values that differ, as far as they can be read; a title, which follows from others, only alone."""
    names = [name for name in dict.fromkeys((*was, *now)) if was.get(name) != now.get(name)]
    chosen = [name for name in names if name != f"{part}.title"] or names
    said = []
    for name in chosen[:SHOWN]:
        values = ["nothing" if values.get(name) is None else str(values[name]) for values in (was, now)]
        setting = name.removeprefix(part).lstrip(".")
        if max(map(len, values)) <= LONGEST:
            said.append(f"{setting} {values[0]}, now {values[1]}".lstrip())
        elif setting:
            said.append(setting)
    if len(chosen) > SHOWN:
        said.append(f"and {len(chosen) - SHOWN} more")
    return f" ({'; '.join(said)})" if said else ""
