"""What the five published systems promise: every command of that list is run, and shows what the list says."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.networks.recipe_files import read_recipe, with_settings
from core.runs.folder import write_recipe
from core.workflows.sample_cohort import write_sample_cohort

from .conftest import ROOT, Once
from .shell import said

LIST = ROOT / "docs" / "reference" / "systems.md"
LATER = "⏳"  # needs a download, or longer than a minute
NOT_HERE = {"TPU, hosted notebooks"}
SMALL = ("backbone=simple2dcnn", "height=64", "width=56", "start=scratch", "batch_size=16", "phases.1.epochs=1",
         "phases.2.epochs=1")  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One promise: the command that shows it, and what to look for."""

    promised: str
    command: str
    shows: str

    @property
    def is_run(self) -> bool:
        return "`stagelens " in self.command and LATER not in self.command


def lines_of() -> dict[str, list[Line]]:
    """Return the lines of each system."""
    found: dict[str, list[Line]] = {}
    for section in re.split(r"^## ", LIST.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        rows = [[cell.strip() for cell in line.strip("| \n").split(" | ")] for line in section.splitlines()
                if line.startswith("| ") and not line.startswith("| promised")]  # fmt: skip
        found[section.split(":")[0]] = [Line(*[*row, "", ""][:3]) for row in rows]
    return found


LINES = lines_of()


def test_the_list_is_whole_and_every_line_shows_something() -> None:
    assert list(LINES) == ["S1", "S2", "S3", "S4", "S5"]
    every = [line for lines in LINES.values() for line in lines]
    assert len(every) >= 140
    assert {line.promised for line in every if line.command == "not there"} == NOT_HERE
    for line in every:
        assert line.shows.strip("|") or not line.is_run, line.promised
        if LATER in line.command:
            assert shlex.split(line.command.strip(f"` {LATER}"))[1] in {"train", "download"}, line.promised


@pytest.fixture(scope="module")
def sample(once: Once) -> Path:
    """A folder with the sample cohort, its split, and small recipes of S1 and S3 in the same phases."""

    def made(folder: Path) -> None:
        folder.mkdir()
        write_sample_cohort(folder / "sample", people=20)
        published = {name: read_recipe(name) for name in ("s1_resnet50", "s3_densenet201")}
        write_recipe(folder / "s1.toml", with_settings(published["s1_resnet50"], SMALL))
        more = "phases.2.oversampling.target=120"
        write_recipe(folder / "s3.toml", with_settings(published["s3_densenet201"], [*SMALL, more]))
        said(folder, "split sample/slices --by subject --out split.csv")
        said(folder, "train s1.toml --split split.csv --out run")

    return once("systems", made)


@pytest.mark.slow
@pytest.mark.parametrize("system", LINES)
def test_every_command_of_the_list_shows_what_it_says(system: str, sample: Path) -> None:
    scan = sorted((sample / "sample" / "slices").glob("*/*.png"))[0]
    places = {
        "FOLDER": "sample/slices",
        "VOLUMES": "sample/volumes",
        "SPLIT": "split.csv",
        "SCAN": str(scan.relative_to(sample)),
        "RUN": "run3" if system == "S3" else "run",
        "RECIPE": "s3.toml" if system == "S3" else "s1.toml",
    }
    answers: dict[str, tuple[str, str]] = {}
    wrong = []
    for line in (line for line in LINES[system] if line.is_run):
        (command,) = re.findall(r"`stagelens ([^`]+)`", line.command)
        if command not in answers:
            folder = f"{system}-{len(answers)}"
            (sample / folder).mkdir()
            answers[command] = folder, said(sample, _filled(command, {**places, "DIR": folder}))
        folder, answer = answers[command]
        (wanted,) = re.findall(r"`([^`]+)`", line.shows)
        if line.shows.startswith("file"):
            there = any(sample.glob(_filled(wanted, {**places, "DIR": folder})))
        else:
            there = wanted in answer
        if not there:
            wrong.append(f"{line.promised}: {command} does not show {wanted}")
    assert not wrong, "\n".join(wrong)


def _filled(text: str, places: dict[str, str]) -> str:
    return re.sub(r"\b(" + "|".join(places) + r")\b", lambda found: places[found[0]], text)
