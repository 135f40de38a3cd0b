"""Install with pip and keep one line that says how far it is; what pip says is shown only when it fails.

    python -m start.install WHAT ARGUMENTS_OF_PIP_INSTALL...

WHAT is said first; {backends} and {megabytes} in it are those of this machine. It is always pip, also where uv is
there: pip reads pip's configuration (a firm's mirror and certificates, wheels of one's own), uv does not, and the two
would then install different things.
"""

import re
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pip

from start import platforms

STEPS = ("Collecting", "Downloading", "Using cached", "Building", "Preparing", "Installing")
PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
LARGE = re.compile(r"\((\d{2,}\.\d MB|[\d.]+ GB)\)|^Installing")  # files from 10 MB, and the last step
SHOWN_OF_FAILURE = 12
REMEDY = "StageLens is not installed: mend what the lines above say (no network? no space?), then type the same again."


class Line:
    """The line that says how far it is: overwritten each second on a terminal; elsewhere a line for each large file."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.words = "asking what is needed"
        self.overwrites = sys.stdout.isatty()
        self.over = threading.Event()

    def __enter__(self) -> "Line":
        threading.Thread(target=self._show, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        if self.overwrites:
            print("\r\033[K", end="", flush=True)

    def follow(self, output: Iterable[str]) -> list[str]:
        """Show what pip does; returns all that it said but for its progress."""
        said = []
        for given in output:
            progress = PROGRESS.match(given)
            if progress:
                done, size = map(int, progress.groups())
                self.words = f"{self.words.split(':')[0]}: {100 * done // max(size, 1)} %"
                continue
            said.append(given)
            if given.lstrip().startswith(STEPS):
                self.words = short(given)
                if not self.overwrites and LARGE.search(given):
                    print(f"  {self.words}", flush=True)
        return said

    def seconds(self) -> float:
        """Return how long it has taken so far."""
        return time.monotonic() - self.began

    def _show(self) -> None:
        packages = Path(sysconfig.get_path("purelib"))
        while self.overwrites and not self.over.wait(1):
            copied = self.words.startswith("Installing collected")  # which pip says nothing of
            done = f", {len(list(packages.glob('*.dist-info')))} are there" if copied else ""
            print(f"\r\033[K  {self.seconds():.0f} s  {self.words}{done}", end="", flush=True)


def short(given: str) -> str:
    """Shorten a line of pip's: names of files to name and release, lists to their length.

    >>> short("Downloading scipy-1.17.1-cp311-cp311-manylinux_2_28_x86_64.whl (35.3 MB)")
    'Downloading scipy-1.17.1 (35.3 MB)'
    >>> short("Installing collected packages: numpy, scipy")
    'Installing collected packages: 2'
    """
    listed = re.sub(r"(?<=packages: ).*", lambda names: str(len(names[0].split(","))), given.strip())
    return re.sub(r"(\w+ [^\s-]+-[^\s-]+)-\S*", r"\1", listed)


def install(what: str, arguments: list[str]) -> int:
    """Run `pip install` with these arguments; returns its exit status."""
    machine, backends = platforms.here()
    size = machine.megabytes if machine else "?"
    print(f"Installing {what.format(backends=', '.join(backends), megabytes=size)}", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *_progress(), *arguments]
    with (
        Line() as line,
        subprocess.Popen(  # noqa: S603 - pip
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as run,
    ):
        said = line.follow(run.stdout or ())
    if run.returncode:
        reasons = [given for given in said if "ERROR:" in given] or said[-SHOWN_OF_FAILURE:]
        print(*(reason.strip()[:200] for reason in reasons), REMEDY, sep="\n", file=sys.stderr)
    else:
        print(f"Installed in {line.seconds():.0f} s.", flush=True)
    return run.returncode


def _progress() -> list[str]:
    """Return how pip is to tell its progress; only releases from 24.1 can tell it to another program."""
    release = tuple(int(part) for part in re.findall(r"\d+", pip.__version__)[:2])
    return ["--progress-bar", "raw"] if release >= (24, 1) else []


if __name__ == "__main__":
    try:
        sys.exit(install(sys.argv[1], sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit("StageLens is not installed: stopped; type the same again to go on.")
