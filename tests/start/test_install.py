import subprocess
import sys

from start.install import Line

from ..conftest import ROOT

NOTHING = ["--no-index", "--no-deps"]


def install(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "start.install", "a thing with {backends}: {megabytes} MB", *NOTHING, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_failed_installation_says_why_and_what_to_do() -> None:
    done = install("no-such-thing-anywhere")
    assert done.returncode != 0
    assert done.stdout.startswith("Installing a thing with ")
    assert "No matching distribution found for no-such-thing-anywhere" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("StageLens is not installed: mend what the lines above say")


def test_what_is_there_already_is_no_news() -> None:
    done = install("pip")
    assert done.returncode == 0
    assert "already satisfied" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Installed in ")


def test_what_make_runs_needs_no_package() -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import start.platforms; import start.fits"
    subprocess.run([sys.executable, "-S", "-I", "-c", code], capture_output=True, check=True)


def test_progress_is_a_share_and_no_part_of_what_pip_said() -> None:
    with Line() as line:
        said = line.follow(["Downloading scipy-1.17.1-cp311.whl (35.3 MB)\n", "Progress 50 of 200\n"])
        assert line.words == "Downloading scipy-1.17.1 (35.3 MB): 25 %"
    assert said == ["Downloading scipy-1.17.1-cp311.whl (35.3 MB)\n"]
