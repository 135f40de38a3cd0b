"""What the system or a foreign file refuses is one line, whatever the verb; nothing is lost by it."""

import errno
import json
import os
from pathlib import Path

import pytest

from core.cohorts.plan import files_of, plan_split
from core.files import write_table
from core.networks.bundle import CARD_FILE, Bundle

from ..conftest import SAMPLES, tiny_recipe, write_tiny_bundle
from .conftest import Shell

SCAN = SAMPLES / "icbm_template_z08.png"
WRITES = (
    "audit COHORT --table BAD.csv",
    "split COHORT --out BAD.csv",
    "split COHORT --out OUT.csv --folders BAD",
    "card tiny --out BAD.html",
    "card tiny --out BAD.md",
    "export tiny --format keras --out BAD",
    "explain SCAN --out BAD",
    "report tiny --split SPLIT --out BAD.html",
    "train sample_small --split SPLIT --out BAD",
    "train sample_small --split SPLIT --out BAD --folds 3",
    "full sample_small COHORT --out BAD",
    "sample-cohort BAD",
    "leak COHORT --plot BAD.html",
)
READS = (
    "audit BAD",
    "split BAD --out OUT.csv",
    "predict BAD",
    "card BAD",
    "evaluate BAD",
    "evaluate tiny --split BAD",
    "evaluate tiny --split SPLIT --people BAD",
    "compare tiny BAD --split SPLIT",
    "calibrate tiny --split BAD",
    "export BAD --out OUT",
    "explain BAD --out OUT",
    "train BAD --split SPLIT --out OUT",
    "train sample_small --split BAD --out OUT",
    "train sample_small --split SPLIT --weights BAD --out OUT",
    "split COHORT --out OUT.csv --subjects BAD",
    "volumes BAD --out OUT",
    "preprocess BAD --out OUT",
)


@pytest.fixture(scope="module")
def split(slice_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("split") / "split.csv"
    write_table(path, plan_split(files_of(slice_cohort).table, seed=1).split)
    return path


@pytest.fixture
def line(shell: Shell, models: Path, slice_cohort: Path, split: Path, tmp_path: Path) -> "Line":
    return Line(shell, {"COHORT": slice_cohort, "SPLIT": split, "OUT": tmp_path / "new", "SCAN": SCAN})


class Line:
    """Types a command line with a bad path in it; the answer is one line."""

    def __init__(self, shell: Shell, meant: dict[str, Path]) -> None:
        self.shell, self.meant = shell, meant

    def __call__(self, line: str, bad: str | Path) -> str:
        words = []
        for word in line.split():
            stem, dot, ending = word.partition(".")
            words.append(f"{bad if stem == 'BAD' else self.meant.get(stem, stem)}{dot}{ending}")
        status, _, err = self.shell(*words)
        said = [one for one in err.splitlines() if one.startswith("stagelens: ")]
        assert status == 1, (line, err)
        assert len(said) == 1, (line, err)
        assert err.endswith(f"{said[0]}\n")
        assert "Traceback" not in err
        assert len(said[0]) < 700
        return said[0]


@pytest.mark.parametrize("command", WRITES)
def test_where_nothing_can_be_written_is_said_in_one_line(command: str, line: Line, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for bad in (tmp_path / "file" / "x", "a" * 5000, "/".join(["b" * 200] * 30), "~nosuchuser/x", "/proc/none"):
        line(command, bad)
    assert (tmp_path / "file").read_text() == "x"
    assert not Path("~nosuchuser").exists()


@pytest.mark.parametrize("command", READS)
def test_what_cannot_be_read_is_said_in_one_line(command: str, line: Line, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    header = tmp_path / "header.csv"
    header.write_text("path,label,subject,slice,part,by,seed\n")
    for bad in (tmp_path / "pipe", header, tmp_path / "pipe" / "x", "a" * 5000, "~nosuchuser/x", "/proc/none"):
        line(command, bad)


@pytest.mark.parametrize(
    "command", ["audit COHORT --table OUT.csv", "split COHORT --out OUT.csv", "card tiny --out OUT.html"]
)
def test_a_full_disk_is_said_with_the_file_and_leaves_the_old_one(
    command: str,
    shell: Shell,
    line: Line,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = tmp_path / f"new.{command.rsplit('.', 1)[1]}"
    target.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("core.files.os.fsync", full)
    assert line(command, "unused") == f"stagelens: {target} cannot be read or written: No space left on device."
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_a_pipe_or_a_device_is_not_replaced_by_a_file(line: Line, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "new.csv")
    assert "it is no file that could be replaced" in line("split COHORT --out OUT.csv", "unused")
    assert (tmp_path / "new.csv").is_fifo()


def test_a_folder_without_files_is_no_answer(line: Line, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "there is no scan in" in line("predict BAD", tmp_path / "empty")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card["by_slice"].update(estimates={}), ""),  # read all the same: nothing was measured
        (lambda card: card["training"][0]["best"].update(val_loss=float("nan")), "is damaged: NaN is no finite number"),
        (lambda card: card["training"][0]["best"].update(val_loss=1e308 * 10), "Infinity is no finite number"),
        (lambda card: card.pop("recipe"), "the card of"),
        (lambda card: card.update(recipe=[]), "the card of"),
        (lambda card: card.update(name=3), "the card of"),
        (lambda card: card.update(more="odd"), "the card of"),
        (lambda card: card.clear(), "has format None"),
    ],
)
def test_a_foreign_card_is_read_or_refused_in_one_line(
    shell: Shell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: object,
    said: str,
) -> None:
    for name in ("foreign", "good"):
        bundle: Bundle = write_tiny_bundle(tmp_path / "models" / name, tiny_recipe())
    monkeypatch.setenv("STAGELENS_MODELS", str(tmp_path / "models"))
    path = tmp_path / "models" / "foreign" / CARD_FILE
    card = json.loads(path.read_text())
    change(card)  # type: ignore[operator]
    path.write_text(json.dumps(card))
    status, _, err = shell("card", path.parent)
    assert (status, err.count("\n")) == ((1, 1) if said else (0, 0)), err
    assert said in err
    status, out, err = shell("models")
    assert bundle.card.title in out  # the other one is listed all the same
    assert (status, err.count("\n")) == ((1, 1) if said else (0, 0)), err


@pytest.mark.parametrize(
    "command", ["train sample_small --split SPLIT --out BAD", "explain SCAN --out BAD", "export tiny --out BAD"]
)
def test_a_file_where_a_folder_is_needed_is_said_to_be_one(command: str, line: Line, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "it is a file, and a folder is needed" in line(command, tmp_path / "file")
