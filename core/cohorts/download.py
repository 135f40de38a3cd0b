"""The public data sets, downloaded with the user's own Kaggle login and checked against the known counts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.cohorts.cohort import index_folder, listed
from core.errors import CohortError


@dataclass(frozen=True)
class Source:
    """Where a set is, and what it should contain.

    Attributes:
        handle: Owner and name on Kaggle.
        counts: Number of images in each class, as of 2026-11.
    """

    handle: str
    counts: dict[str, int]


SOURCES = {
    "alzheimer": Source(
        "sachinkumar413/alzheimer-mri-dataset",
        {"Non Demented": 3200, "Very Mild Demented": 2240, "Mild Demented": 896, "Moderate Demented": 64},
    ),
    "tumour": Source(
        "masoudnickparvar/brain-tumor-mri-dataset",
        {"Glioma": 1621, "Meningioma": 1645, "No Tumour": 1996, "Pituitary": 1757},
    ),
}
DEEP = 3  # levels of folders that may surround a set
Fetch = Callable[[str, Path], str]


@dataclass(frozen=True)
class Downloaded:
    """A set on disk.

    Attributes:
        folder: The cohort's folder, for audit.
        counts: Number of images found in each class.
        expected: Number of images there should be.
    """

    folder: Path
    counts: dict[str, int]
    expected: dict[str, int]

    @property
    def as_known(self) -> bool:
        """Whether the counts are as expected."""
        return self.counts == self.expected


def download(name: str, out: str | Path, *, fetch: Fetch | None = None) -> Downloaded:
    """Download a public set from Kaggle, or count one that is already there.

    Args:
        name: "alzheimer" or "tumour".
        out: Folder to put it into; a set found in it is not downloaded again.
        fetch: Downloads a handle into a folder; kagglehub if not given.

    Raises:
        CohortError: The set is not known, or Kaggle cannot be reached or declines; the message says where to get it by
            hand.
    """
    if name not in SOURCES:
        raise CohortError(f"there is no set {name!r} to download; known are {', '.join(SOURCES)}.")
    source, out = SOURCES[name], Path(out)
    if not _holds_files(out):
        _fetched(source, out, fetch or _from_kaggle)
    folder = _cohort_in(out, name)
    table, task = index_folder(folder)
    return Downloaded(folder, {label: int((table["label"] == label).sum()) for label in task.classes}, source.counts)


def _fetched(source: Source, out: Path, fetch: Fetch) -> None:
    try:
        fetch(source.handle, out)
    except Exception as error:  # kagglehub passes on whatever its web library raises
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise CohortError(
            f"Kaggle cannot be reached or declined the download ({type(error).__name__}: {reason}); download "
            f"https://www.kaggle.com/datasets/{source.handle} by hand, unpack it into {out} and run this again."
        ) from error


def _from_kaggle(handle: str, out: Path) -> str:
    import kagglehub

    return str(kagglehub.dataset_download(handle, output_dir=str(out)))


def _holds_files(folder: Path) -> bool:
    return folder.is_dir() and any(path.is_file() for path in folder.rglob("*") if not path.name.startswith("."))


def _cohort_in(out: Path, name: str) -> Path:
    """Find the folder that contains the class folders."""
    level = [out]
    for _ in range(DEEP):
        for folder in level:
            try:
                if index_folder(folder)[1].name == name:
                    return listed(folder)[2]
            except CohortError:
                continue
        level = [child for folder in level if folder.is_dir() for child in sorted(folder.iterdir()) if child.is_dir()]
    raise CohortError(
        f"{out} does not contain the class folders of the {name} set; unpack the download there unchanged."
    )
