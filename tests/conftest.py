"""Small real things that many tests use: heads, cohorts, a tiny network, bundles, the real data where present."""

import os
from dataclasses import replace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import functools
import gc
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from core.cohorts import Audit, audit_folder
from core.files import write_json, write_table
from core.networks.bundle import Bundle, open_bundle
from core.networks.card import BestEpoch, Card, PhaseSummary, PublishedProtocol
from core.networks.recipe import Phase, Recipe
from core.results import Estimate, Metrics, SplitSummary
from core.runs.folder import METRICS_FILE, PREDICTIONS_FILE, RECIPE_FILE, RUN_FILE, mark_finished, write_recipe

from .training.cohorts import write_cohort

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "sample_scans"
CLASSES = ("Non Demented", "Very Mild Demented", "Mild Demented", "Moderate Demented")
NO_SCANS = np.empty((0, 48, 40, 1), np.uint8)  # for starts that need none
DATA = Path(os.environ.get("STAGELENS_DATA", ROOT.parent / "shared" / "data"))


@functools.cache
def audited(folder: Path) -> Audit:
    """Audit a whole data set once for all tests of a process; it takes half a minute."""
    return audit_folder(folder)


def pytest_configure(config: pytest.Config) -> None:
    """Give tests a workspace of their own: they wait for nobody's training and leave nothing at home."""
    os.environ["STAGELENS_WORKSPACE"] = workspace = tempfile.mkdtemp(prefix="stagelens-tests-")
    os.environ.setdefault("STAGELENS_WORKERS", "0")  # pages compute in the test's own process, but for the browser's
    os.environ["STAGELENS_CACHE"] = str(Path(workspace) / "cache")
    config.add_cleanup(lambda: shutil.rmtree(workspace, ignore_errors=True))
    settings.register_profile("here", deadline=None)  # a busy machine is no failure
    settings.load_profile("here")


# These start servers and trainings beside them, or hold a whole data set; the sooner they run, the less their own
# process has loaded.
FIRST = tuple(
    f"tests/{one}.py"
    for one in (
        "pages/test_in_browser",
        "runs/test_jobs",
        "training/test_every_recipe",
        "training/test_backends",
        "explain/test_other_libraries",
        "workflows/test_leakage",
        "workflows/test_sample_cohort",
    )
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run first what needs most memory beside the process's own."""
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))


@pytest.fixture(scope="session")
def alzheimer_data() -> Path:
    """The Kaggle Alzheimer set and its table of people, where they are."""
    if not (DATA / "alzheimer_mri").is_dir():
        pytest.skip(f"the real data are not at {DATA.name}; set STAGELENS_DATA to try with them")
    return DATA


@pytest.fixture(scope="module", autouse=True)
def _given_back() -> Iterator[None]:
    """Let go of what a file's tests have built and compiled."""
    yield
    gc.collect()


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Make a folder by its name once for all tests."""
    base = tmp_path_factory.getbasetemp()

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder = base / name
        if not folder.exists():
            make(folder)
        return folder

    return made


def known_tiny() -> None:
    """Make the tiny networks known; only then is a network library loaded, which takes half a gigabyte."""
    from . import tiny  # noqa: F401


def tiny_recipe(**changes: object) -> Recipe:
    """A recipe that trains in seconds."""
    known_tiny()
    values: dict[str, object] = {
        "name": "tiny",
        "title": "A tiny network",
        "task": "alzheimer",
        "backbone": "tiny",
        "height": 48,
        "width": 40,
        "start": "scratch",
        "batch_size": 8,
        "seed": 3,
        "phases": (Phase("head", 1e-3, 1, 1), Phase("all", 1e-3, 2, 2)),
    }
    return Recipe(**{**values, **changes})  # type: ignore[arg-type]


def head(person: int, height: int, *, size: tuple[int, int] = (104, 88)) -> NDArray[np.uint8]:
    """Draw one slice of an invented head: an oval with a texture that changes smoothly with height.

    Half of the texture is the person's own, half is everybody's at this height: neighbouring heights of one person are
    alike, equal heights of two persons a little, and others not. Going up, the oval shrinks.
    """
    rows, columns = size
    own, everybodys = (np.random.default_rng([77, *whose]).normal(size=(2, 12, 10)) for whose in ((person,), ()))
    low, high = (own + everybodys) / np.sqrt(2)
    layer = np.cos(0.12 * height) * low + np.sin(0.12 * height) * high
    smooth = cv2.resize(layer, (columns, rows), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[:rows, :columns]
    inside = ((y - rows / 2) / (rows * (0.46 - 0.004 * height))) ** 2 + (
        (x - columns / 2) / (columns * (0.46 - 0.004 * height))
    ) ** 2 < 1
    return np.where(inside, np.clip(130 + 35 * smooth, 30, 255), 0).astype(np.uint8)


def write_heads(folder: Path, people_by_class: dict[str, int], *, slices: int = 12) -> pd.DataFrame:
    """Write a cohort of invented heads as class folders; returns path, label, person and height."""
    rows, person = [], 0
    for label, people in people_by_class.items():
        (folder / label).mkdir(parents=True)
        for _ in range(people):
            for height in range(slices):
                path = folder / label / f"{np.random.default_rng([person, height]).integers(10**9)}.png"
                cv2.imwrite(str(path), head(person, height))
                rows.append((path.as_posix(), label, person, height))
            person += 1
    return pd.DataFrame(rows, columns=["path", "label", "person", "height"])


PEOPLE = {"NonDemented": 8, "Very_Mild_Demented": 6, "mild demented": 4, "MODERATE-DEMENTED": 2}


@pytest.fixture(scope="session")
def slice_cohort(once: Once) -> Path:
    """A cohort of 20 invented people with 12 slices each, in the spelling of one of the Kaggle copies."""
    return once("heads", lambda folder: write_heads(folder, PEOPLE, slices=12))


@pytest.fixture(scope="session")
def cohort(once: Once) -> Path:
    """Slices and volumes of noise, five a class, and their split tables; see `write_cohort`."""
    return once("noise", write_cohort)


def tiny_metrics(unit: str = "subject") -> Metrics:
    """Metrics that are all the same, for tests of reading and drawing."""
    return Metrics(
        unit=unit,
        n=40,
        people=40,
        estimates={
            "accuracy": Estimate(0.5, 0.4, 0.6),
            "balanced_accuracy": Estimate(0.4, 0.3, 0.5),
            "auc": Estimate(0.6, 0.5, 0.7),
        },
        by_class={},
        confusion=tuple(tuple(row) for row in (10 * np.eye(4, dtype=int)).tolist()),
        classes=CLASSES,
        notes=("Moderate: few.",),
    )


def tiny_card(recipe: Recipe, **changes: object) -> Card:
    """A card whose metrics are all the same."""
    split = SplitSummary(by="subject", seed=1, hash="0", images={})
    training = (PhaseSummary(1, "all", 1, BestEpoch(1, 0.5, 1.0)),)
    by_slice, by_subject = (replace(tiny_metrics(unit), classes=recipe.classes) for unit in ("slice", "subject"))
    card = Card(
        name=recipe.name,
        recipe=recipe,
        split=split,
        data_fingerprint="0",
        by_slice=by_slice,
        by_subject=by_subject,
        training=training,
        date="2026-01-01",
        versions={},
        intended_use="Tests.",
        limits=("Knows nothing.",),
        start="random weights",
        published_protocol=PublishedProtocol(replace(split, by="slice"), by_slice, by_subject, training, "2026-01-01"),
    )
    return replace(card, **changes)


def write_tiny_bundle(folder: Path, recipe: Recipe) -> Bundle:
    """Write a bundle with random weights."""
    from core.networks.architectures.network import build_network
    from core.networks.weights.bundle_files import write_bundle
    from core.networks.weights.tensors import tensors_of

    known_tiny()
    write_bundle(folder, tensors_of(build_network(recipe).whole.weights), tiny_card(recipe))
    return open_bundle(folder)


def write_finished_run(folder: Path, predictions: pd.DataFrame, recipe: Recipe) -> Path:
    """Write what a finished run of a network without weights keeps."""
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / PREDICTIONS_FILE, predictions)
    write_recipe(folder / RECIPE_FILE, recipe)
    write_json(folder / RUN_FILE, {})
    write_json(folder / METRICS_FILE, tiny_card(recipe).as_dict())
    mark_finished(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(once: Once) -> Bundle:
    """A bundle of the tiny network with random weights."""
    known_tiny()
    return open_bundle(once("models", lambda folder: write_tiny_bundle(folder / "tiny", tiny_recipe())) / "tiny")


@pytest.fixture
def models(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder that holds the tiny bundle, for this process."""
    monkeypatch.setenv("STAGELENS_MODELS", str(tiny_bundle.folder.parent))
    return tiny_bundle.folder.parent
