"""How long people wait before the first answer: a cold command, the first page, the first reading; and the memory.

    python benchmarks/start.py [--rounds 7]

Interleaved, medians. The commands begin with a compiled network in the cache, as every command but the very first does.
The page is opened in headless Chromium beside an empty page of Streamlit's. Needs Chromium.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from tests.pages.server import CHROMIUM, QUIET, free_port  # noqa: E402

SAMPLE = ROOT / "sample_scans" / "icbm_template_z08.png"
EMPTY = "import streamlit as st\nst.title('Empty')\nst.info('nothing')\n"


def timed(command: list[str], home: Path) -> tuple[float, float]:
    """Run a command; return its wall time in seconds and its peak memory in MB."""
    begun = time.perf_counter()
    child = subprocess.Popen(
        command, cwd=ROOT, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, command
    return time.perf_counter() - begun, usage.ru_maxrss / 1024


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a home of its own."""
    return {**os.environ, "HOME": str(home), "STAGELENS_CACHE": str(home / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3"}


def tree_mb(pid: int) -> dict[str, int]:
    """Return the memory of a process and its children, in MB."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,ppid=,rss=,args="], capture_output=True, text=True, check=True)
    found: dict[str, int] = {}
    for line in listed.stdout.splitlines():
        own, parent, rss, words = line.split(None, 3)
        if pid in (int(own), int(parent)):
            name = "worker" if "core.runs.worker" in words else "server"
            found[name] = found.get(name, 0) + int(rss) // 1024
    return found


class Page:
    """A server and a browser's page of it."""

    def __init__(self, script: Path, home: Path) -> None:
        """Start the server."""
        self.port, self.home = free_port(), home
        self.server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={self.port}",
             "--server.address=127.0.0.1", "--server.headless=true", "--browser.gatherUsageStats=false"],
            cwd=ROOT, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def usable(self, browser: Browser, text: str) -> object:
        """Open it as soon as it answers, and wait until a text stands on it."""
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        while True:
            try:
                page.goto(f"http://127.0.0.1:{self.port}")
                break
            except Exception:  # noqa: BLE001 - it does not listen yet
                time.sleep(0.02)
        page.get_by_text(text).first.wait_for(timeout=120_000)
        return page

    def end(self) -> None:
        """Stop the server."""
        self.server.terminate()
        self.server.wait()


def pages(browser: Browser, home: Path, empty: Path) -> dict[str, float]:
    """Measure the first page of both, and the first readings."""
    found = {}
    begun, plain = time.perf_counter(), Page(empty, home)
    plain.usable(browser, "nothing").close()  # type: ignore[attr-defined]
    found["empty page, s"] = time.perf_counter() - begun
    plain.end()
    begun, ours = time.perf_counter(), Page(ROOT / "streamlit_app.py", home)
    page = ours.usable(browser, "Upload a scan, or choose a sample")
    found["Read a scan, s"] = time.perf_counter() - begun
    for name, height in (("first reading, s", 8), ("second reading, s", 16)):
        page.get_by_role("tab", name="Samples").click()  # type: ignore[attr-defined]
        page.get_by_label("Synthetic scans").click()  # type: ignore[attr-defined]
        begun = time.perf_counter()
        page.get_by_text(f"ICBM average brain, {height} mm").click()  # type: ignore[attr-defined]
        page.get_by_text(f"brain, {height} mm above the AC–PC line: ").wait_for(timeout=120_000)  # type: ignore[attr-defined]
        found[name] = time.perf_counter() - begun
    memory = tree_mb(ours.server.pid)
    found |= {f"{name} with a loaded model, MB": float(value) for name, value in memory.items()}
    found["both, MB"] = float(sum(memory.values()))
    page.close()  # type: ignore[attr-defined]
    ours.end()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    home = Path(tempfile.mkdtemp(prefix="stagelens-start-"))
    empty = home / "empty.py"
    empty.write_text(EMPTY)
    python = [sys.executable]
    commands: dict[str, Callable[[], tuple[float, float]]] = {
        "import tensorflow": lambda: timed([*python, "-c", "import tensorflow"], home),
        "predict a sample": lambda: timed([*python, "-m", "core", "predict", str(SAMPLE)], home),
        "models": lambda: timed([*python, "-m", "core", "models"], home),
        "--help": lambda: timed([*python, "-m", "core", "--help"], home),
    }
    first = timed([*python, "-m", "core", "predict", str(SAMPLE)], home)[0]
    print(f"predict on a machine that never did (the network is compiled): {first:.1f} s")
    seen: dict[str, list[float]] = {}
    peaks: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        for _ in range(rounds):
            for name, run in commands.items():
                seconds, peak = run()
                seen.setdefault(name, []).append(seconds)
                peaks.setdefault(name, []).append(peak)
            for name, value in pages(browser, home, empty).items():
                seen.setdefault(name, []).append(value)
        browser.close()
    median = {name: statistics.median(values) for name, values in seen.items()}
    for name in commands:
        ratio = median[name] / median["import tensorflow"]
        peak = statistics.median(peaks[name])
        print(f"{name:<24}{median[name]:7.2f} s{ratio:7.2f} x import tensorflow{peak:8.0f} MB peak")
    for name in (one for one in median if one not in commands):
        print(f"{name:<36}{median[name]:8.2f}")
    print(f"Read a scan / empty page: {median['Read a scan, s'] / median['empty page, s']:.2f}")
    shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
