"""The table of machines in start/platforms.py: what it says is what uv resolves and what the docs show."""

import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from start import platforms
from start.platforms import MACHINES, PYTHONS, Machine

from ..conftest import ROOT

BACKENDS = ("tensorflow", "tensorflow-metal", "torch", "jax")
NETWORK = re.compile("Failed to fetch|error sending request|Connection|offline|dns", re.IGNORECASE)
TRIES = 3
COMBINATIONS = [
    pytest.param(machine, python, id=f"{machine.title} {python}") for machine in MACHINES for python in PYTHONS
]


@dataclass(frozen=True)
class Resolution:
    """What uv found: releases and megabytes by package, or why there is no answer."""

    releases: dict[str, str]
    megabytes: float
    refusal: str = ""


def resolve(machine: Machine, python: str, requirements: Path = ROOT / "requirements.txt") -> Resolution:
    """Resolve for another machine; from wheels alone, so that what would have to be compiled there is refused."""
    command = [
        sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config", "--format", "pylock.toml",
        "--only-binary", ":all:", "--python-platform", machine.resolves_as, "--python-version", python,
        str(requirements),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=requirements.parent)
    if done.returncode:
        return Resolution({}, 0, done.stderr or str(done.returncode))
    packages = tomllib.loads(done.stdout)["packages"]
    sizes = [max((wheel.get("size", 0) for wheel in package.get("wheels", [])), default=0) for package in packages]
    return Resolution({package["name"]: package["version"] for package in packages}, sum(sizes) / 1e6)


def resolve_patiently(machine: Machine, python: str) -> Resolution:
    """Ask again where it is the network that failed."""
    for _ in range(TRIES):
        found = resolve(machine, python)
        if not NETWORK.search(found.refusal):
            break
    return found


@pytest.fixture(scope="module")
def resolutions(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Resolution]:
    """All combinations, a few at a time: nearly all of it is waiting for the package index."""
    pytest.importorskip("uv", reason="uv is not installed; see requirements-dev.txt")
    small = tmp_path_factory.mktemp("small") / "requirements.txt"
    small.write_text("tomli-w\n")
    if resolve(MACHINES[0], PYTHONS[0], small).refusal:
        pytest.skip("no package index is reachable")
    pairs = [(machine, python) for machine in MACHINES for python in PYTHONS]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda pair: resolve_patiently(*pair), pairs)
        return {(machine.title, python): one for (machine, python), one in zip(pairs, found, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "python"), COMBINATIONS)
def test_requirements_resolve_to_the_backends_in_the_table(
    machine: Machine, python: str, resolutions: dict[tuple[str, str], Resolution]
) -> None:
    found = resolutions[machine.title, python]
    expected = dict((*backend.split(), "")[:2] for backend in machine.backends[PYTHONS.index(python)])
    assert {name for name in found.releases if name in BACKENDS} == set(expected), found.refusal
    for name, release in expected.items():
        assert found.releases[name].startswith(release)
    if not expected:
        assert "No solution found" in found.refusal
        return
    assert ("tf2onnx" in found.releases) == ("onnx" in found.releases) == ("tensorflow" in expected)
    assert found.megabytes <= machine.megabytes * 1.2


def test_the_page_of_the_docs_shows_the_table() -> None:
    assert platforms.table() in platforms.PAGE.read_text(encoding="utf-8"), "python -m start.platforms --write"


def test_the_package_takes_the_pythons_of_the_table_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    last = int(PYTHONS[-1].split(".")[1])
    assert project["requires-python"] == f">={PYTHONS[0]},<3.{last + 1}"


@pytest.mark.parametrize("file", ["README.md", "Makefile", "start/fits.py"])
def test_the_pythons_that_are_asked_for_are_those_of_the_table(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.findall(r"(?:[Nn]eeds|With|NEEDED = .)\s?Python (3\.\d+.*?3\.\d+)\b", text) == [
        f"{PYTHONS[0]} to {PYTHONS[-1]}"
    ]


def test_every_machine_gets_a_backend_with_some_python_and_says_something_of_each() -> None:
    for machine in MACHINES:
        assert len(machine.backends) == len(PYTHONS)
        assert any(machine.backends)


def test_this_python_fits() -> None:
    assert platforms.trouble() == ""


@pytest.mark.parametrize(
    ("name", "version", "line"),
    [
        ("macosx-x86_64", (3, 13), "Mac, Intel needs Python 3.11 to 3.12"),
        ("linux-x86_64", (3, 15), "Linux, x86-64 needs Python 3.11 to 3.14"),
        ("win-arm64", (3, 12), "not built for win-arm64"),
    ],
)
def test_a_refusal_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, version: tuple[int, int], line: str) -> None:
    monkeypatch.setattr(platforms, "this_machine", lambda: name)
    monkeypatch.setattr(sys, "version_info", version)
    assert line in platforms.trouble()
    assert "\n" not in platforms.trouble()


def test_a_python_without_venv_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert "apt install python3-venv" in platforms.trouble()
