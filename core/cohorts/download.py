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
        task: Whose classes its folders name.
        counts: Number of images in each class, as of 2026-11.
        about: What it is, in a sentence.
    """

    handle: str
    task: str
    counts: dict[str, int]
    about: str


ALZHEIMER = {"Non Demented": 3200, "Very Mild Demented": 2240, "Mild Demented": 896, "Moderate Demented": 64}
SOURCES = {
    "alzheimer": Source(
        "tourist55/alzheimers-dataset-4-class-of-images",
        "alzheimer",
        ALZHEIMER,
        "6,400 slices at their true size of 176 x 208: the better copy to train on",
    ),
    "alzheimer-squeezed": Source(
        "sachinkumar413/alzheimer-mri-dataset",
        "alzheimer",
        ALZHEIMER,
        "the same slices squeezed to 128 x 128: the most downloaded copy",
    ),
    "alzheimer-marcopinamonti": Source(
        "marcopinamonti/alzheimer-mri-4-classes-dataset",
        "alzheimer",
        ALZHEIMER,
        "the squeezed slices again, under another owner",
    ),
    "tumour": Source(
        "masoudnickparvar/brain-tumor-mri-dataset",
        "tumour",
        {"Glioma": 1621, "Meningioma": 1645, "No Tumour": 1996, "Pituitary": 1757},
        "7,019 pictures of three kinds of brain tumour and of none",
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
        name: One of `SOURCES`.
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
    folder = _cohort_in(out, source.task)
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


def _cohort_in(out: Path, task: str) -> Path:
    """Find the folder that contains the class folders of a task."""
    level = [out]
    for _ in range(DEEP):
        for folder in level:
            try:
                if index_folder(folder)[1].name == task:
                    return listed(folder)[2]
            except CohortError:
                continue
        level = [child for folder in level if folder.is_dir() for child in sorted(folder.iterdir()) if child.is_dir()]
    raise CohortError(
        f"{out} does not contain the class folders of the {task} set; unpack the download there unchanged."
    )
