"""The dashboard as `make app` serves it, for tests that look at it in a browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page

from ..conftest import ROOT

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
WAIT = 300  # seconds; a server comes and goes in a few, unless the machine has much else to do
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    """A server with a home folder of its own; may be killed and started again on its port."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home, self.port = home, free_port()
        self._environment = {**os.environ, "HOME": str(home), "STAGELENS_WORKERS": "2", **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        log = (self.home / "log.txt").open("a")
        with log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", f"--server.port={self.port}",
                 "--server.address=127.0.0.1", "--server.headless=true"],
                cwd=ROOT, env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + WAIT
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_stcore/health", timeout=WAIT):
                    return
            except OSError:
                assert self._process.poll() is None, (self.home / "log.txt").read_text()
                time.sleep(0.1)
        raise AssertionError(f"no answer within {WAIT} s: {(self.home / 'log.txt').read_text()}")

    def kill(self) -> None:
        """End it without a warning."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(WAIT)

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(WAIT)


def settled(page: Page, *, within: float = 900_000) -> None:
    """Wait until a page has run and stands still: what is typed before is lost, what is measured before moves."""
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=within)
    page.wait_for_function(
        """() => new Promise(still => {
            const size = () => [document.body.innerText.length, document.documentElement.scrollWidth].join()
            let before = size(), same = 0
            const look = () => {
                same = size() === before ? same + 1 : 0
                before = size()
                same >= 5 ? still(true) : setTimeout(look, 100)
            }
            look()
        })""",
        timeout=within,
    )
