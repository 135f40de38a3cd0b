"""Which Python `make` takes and what it does then; nothing is installed: make only says what it would do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import ROOT

pytestmark = pytest.mark.skipif(
    os.name == "nt" or shutil.which("make") is None, reason="needs make and a shell that finds programs by PATH"
)
TENSORFLOW = 'echo "tensorflow 2.21"'  # what start/fits.py says
ONLY_JAX = 'case "$3" in tensorflow) exit 1;; *) echo jax;; esac'
TOO_OLD = "echo 'StageLens needs Python 3.11 to 3.14, and this is 3.9.7.' >&2; exit 1"
SHIM = "echo 'pyenv: this command is of another version' >&2; exit 127"


class Shop:
    """A copy of the Makefile beside a PATH that holds make's own tools and pretended Pythons."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder / "a folder", folder / "path"
        self.path.mkdir()
        self.folder.mkdir()
        shutil.copy(ROOT / "Makefile", self.folder)
        shutil.copytree(ROOT / "start", self.folder / "start")
        for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml"):
            (self.folder / name).touch()
        for name in ("sh", "touch", "test"):
            (self.path / name).symlink_to(str(shutil.which(name)))

    def offers(self, **programs: str) -> None:
        """Put programs on the PATH: lines of sh by name, where _ stands for the point."""
        for name, lines in programs.items():
            file = self.path / name.replace("_", ".")
            file.write_text(f"#!/bin/sh\n{lines}\n")
            file.chmod(0o755)

    def make(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(shutil.which("make")), *arguments], cwd=self.folder, env={"PATH": str(self.path), **more},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def first_step(self) -> str:
        return self.make("-n", "app").stdout.splitlines()[0]

    def is_installed(self) -> None:
        for stamp in (".made", ".app-installed", ".test-installed"):
            (self.folder / ".venv").mkdir(exist_ok=True)
            (self.folder / ".venv" / stamp).touch()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_the_newest_that_gets_tensorflow_is_taken_by_name(shop: Shop) -> None:
    shop.offers(python3_12=TENSORFLOW, python3_11=TENSORFLOW, python3=TENSORFLOW)
    assert shop.first_step() == "python3.12 -m venv .venv"


def test_a_name_that_does_not_run_is_passed_over(shop: Shop) -> None:
    shop.offers(python3_13=SHIM, python3_12=SHIM, python3_11=TOO_OLD, python3=TENSORFLOW)
    assert shop.first_step() == "python3 -m venv .venv"


def test_windows_launcher_is_asked_for_releases(shop: Shop) -> None:
    shop.offers(py='case "$1" in -3.12) echo "tensorflow 2.21";; *) exit 1;; esac')
    assert shop.first_step() == "py -3.12 -m venv .venv"


def test_one_without_tensorflow_is_passed_over_while_there_is_another(shop: Shop) -> None:
    shop.offers(python3=ONLY_JAX, python3_14=ONLY_JAX, python3_11=TENSORFLOW)
    assert shop.first_step() == "python3.11 -m venv .venv"


def test_one_without_tensorflow_is_taken_where_there_is_no_other(shop: Shop) -> None:
    shop.offers(python3_14=ONLY_JAX, uv="echo uv 0.9")
    assert shop.first_step() == "python3.14 -m venv .venv"


def test_uv_brings_a_python_where_none_fits(shop: Shop) -> None:
    shop.offers(python3=TOO_OLD, uv="echo uv 0.9")
    assert shop.first_step().startswith("uv venv --quiet --python 3.12 --seed")


def test_without_any_python_one_line_says_what_to_install(shop: Shop) -> None:
    done = shop.make("app")
    assert done.returncode != 0
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "StageLens needs Python 3.11 to 3.14, and none was found. Install one" in line
    assert not (shop.folder / ".venv").exists()


def test_without_a_fitting_python_the_line_says_why_the_one_that_is_there_is_none(shop: Shop) -> None:
    shop.offers(python3=TOO_OLD)
    (line,) = shop.make("app").stderr.splitlines()
    assert "and this is 3.9.7. Install one" in line


def test_the_python_that_is_named_wins(shop: Shop) -> None:
    shop.offers(python3_12=TENSORFLOW)
    assert f"{sys.executable} -m venv .venv" in shop.make("-n", "app", f"PYTHON={sys.executable}").stdout
    assert f"{sys.executable} -m venv .venv" in shop.make("-n", "app", PYTHON=sys.executable).stdout


def test_a_named_python_that_does_not_fit_is_refused_before_anything_is_made(shop: Shop) -> None:
    shop.offers(mine=TOO_OLD, python3_12=TENSORFLOW)
    done = shop.make("app", "PYTHON=mine")
    assert done.returncode != 0
    assert "and this is 3.9.7" in done.stderr
    assert not (shop.folder / ".venv").exists()


def test_a_failed_installation_leaves_no_stamp(shop: Shop) -> None:
    bins = shop.folder / ".venv" / "bin"
    bins.mkdir(parents=True)
    (shop.folder / ".venv" / ".made").touch()
    (bins / "python").write_text("#!/bin/sh\nexit 1\n")
    (bins / "python").chmod(0o755)
    assert shop.make("app").returncode != 0
    assert not (shop.folder / ".venv" / ".app-installed").exists()


def test_the_dashboard_is_for_this_machine_unless_a_host_is_typed(shop: Shop) -> None:
    shop.is_installed()
    alone = shop.make("-n", "app", HOST="x86_64-conda-linux-gnu").stdout  # as conda sets it
    assert "--server.address" not in alone
    assert "--server.port" not in alone
    opened = shop.make("-n", "app", "HOST=0.0.0.0", "PORT=9000").stdout
    assert "no sign-in" in opened
    assert "--server.address 0.0.0.0 --server.port 9000" in opened
    assert "no sign-in" not in shop.make("-n", "app", "HOST=localhost").stdout


def test_a_host_is_tried_before_the_dashboard_is_started(shop: Shop) -> None:
    shop.is_installed()
    (shop.folder / ".venv" / "bin").mkdir()
    python = shop.folder / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\ncase "$2" in streamlit) echo started;; *) exec {sys.executable} "$@";; esac\n')
    python.chmod(0o755)
    refused = shop.make("app", "HOST=nowhere.invalid")
    assert refused.returncode != 0
    assert refused.stdout == ""
    assert refused.stderr.startswith("HOST=nowhere.invalid is no address of this machine")
    assert "Traceback" not in refused.stderr
    assert "started" in shop.make("app", "HOST=localhost").stdout
    assert "start.address" not in shop.make("-n", "app").stdout


def test_the_shell_has_the_environment_on_its_path(shop: Shop) -> None:
    shop.is_installed()
    shop.offers(mysh='echo "$PATH"; echo "$VIRTUAL_ENV"; exit 3')
    done = shop.make("shell", SHELL="mysh")
    assert f"{shop.folder}/.venv/bin:{shop.path}\n{shop.folder}/.venv\n" in done.stdout


def test_slow_tests_are_left_to_test_all(shop: Shop) -> None:
    shop.is_installed()
    quick, everything = (shop.make("-n", target).stdout for target in ("test", "test-all"))
    assert '-m "not slow"' in quick
    assert "-m slow" not in quick
    assert "pytest" in everything
    assert "slow" not in everything
