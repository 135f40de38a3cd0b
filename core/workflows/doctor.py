"""Does StageLens work on this machine? Each component is tried; a failure comes with what to do about it."""

import functools
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.cohorts import audit_folder, split_by_slice
from core.cohorts.tasks import Task
from core.errors import StageLensError
from core.evaluation.metrics import metrics_of
from core.evaluation.scored import Scored
from core.files import PROJECT
from core.networks.bundle import bundle_names, open_bundle
from core.reporting.text.numbers import interval_line
from core.runs.backends import backends, in_backend, installed_backends
from core.scans import read_scan
from core.scans.registration.template import template

PAGE_WAIT = 60  # seconds
STEP = "import json; from core.training.dry_run import one_step; print(json.dumps(one_step()))"


@dataclass(frozen=True)
class Finding:
    """What was found of one component.

    Attributes:
        component: Its name.
        well: Whether it works.
        words: What was seen, or what went wrong.
        remedy: What to do about a failure; "" if it works.
    """

    component: str
    well: bool
    words: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """A component and how it is tried.

    Attributes:
        component: Its name.
        run: Returns what was seen; anything it raises is a failure.
        remedy: What to do then.
    """

    component: str
    run: Callable[[], str]
    remedy: str


def examine(wanted: Sequence[Check] | None = None) -> Iterator[Finding]:
    """Try components, one after the other; all of them if none are given."""
    for check in checks() if wanted is None else wanted:
        try:
            yield Finding(check.component, True, check.run())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            words = (" ".join(str(error).split()) or type(error).__name__)[:300]
            yield Finding(check.component, False, words, check.remedy)


def chosen_checks(names: Sequence[str]) -> list[Check]:
    """Return the checks whose components' names begin with one of these; all for no names.

    Raises:
        StageLensError: No component is called so.
    """
    known, wanted = checks(), []
    for name in (one.strip().lower() for one in names):
        found = [one for one in known if one.component == name] or [
            one for one in known if one.component.startswith(name)
        ]
        if not found or not name:
            raise StageLensError(
                f"the doctor knows no component {name!r}; it knows {', '.join(check.component for check in known)}."
            )
        wanted += found
    return [check for check in known if not names or check in wanted]


def checks() -> list[Check]:
    """Return the checks for this machine, a training step for each backend that is installed."""
    again = "Install the requirements anew: pip install -r requirements.txt"
    return [
        Check("readers", _readers, again),
        Check("devices", _devices, again),
        Check("data", _data, again),
        Check("evaluation", _evaluation, again),
        *(
            Check(f"training step ({name})", functools.partial(_step, name), _backend_remedy(name))
            for name in installed_backends()
        ),
        Check("explanation", _explanation, "Fetch the folder models/ anew; `stagelens models` says what is in it."),
        Check("database", _database, "Make the folder for temporary files writable, or set TMPDIR to one that is."),
        Check("browser page", _page, "Run `make app` and read what it prints; port and firewall are the usual causes."),
    ]


def _backend_remedy(name: str) -> str:
    extra = "requirements.txt" if name == "tensorflow" else "requirements-backends.txt"
    return f"pip install -r {extra}; or choose another backend with KERAS_BACKEND."


def _readers() -> str:
    """Write a picture of each kind and read it again."""
    grey = np.random.default_rng(0).integers(0, 255, (48, 40), np.uint8)
    for ending in (".png", ".jpg", ".bmp", ".tiff"):
        scan = read_scan({f"scan{ending}": cv2.imencode(ending, grey)[1].tobytes()})
        if scan.grey().shape != grey.shape:
            raise RuntimeError(f"{ending} came back with another size")
    return f"pictures are read, and the template as NIfTI: {' x '.join(map(str, template().brain.shape))} voxels"


def _devices() -> str:
    found = [report for report in backends() if report.installed]
    broken = [report for report in found if report.trouble]
    if broken:
        raise RuntimeError(f"{broken[0].name}: {broken[0].trouble}")
    return "; ".join(f"{report.name}: {report.used}" for report in found)


def _data() -> str:
    """Write a few pictures into class folders, audit and split them."""
    with tempfile.TemporaryDirectory() as folder:
        random = np.random.default_rng(0)
        for label in ("Non_Demented", "Mild_Demented"):
            (Path(folder) / label).mkdir()
            for number in range(8):
                blob = cv2.GaussianBlur(random.integers(0, 255, (64, 56), np.uint8), (0, 0), 4)
                bright = cv2.normalize(blob, blob.copy(), 0, 255, cv2.NORM_MINMAX)
                cv2.imwrite(str(Path(folder) / label / f"{number}.png"), bright)
        table = audit_folder(folder).table
        parts = split_by_slice(table, seed=1)["part"].value_counts()
    return f"{len(table)} pictures audited and split: " + ", ".join(f"{count} {part}" for part, count in parts.items())


def _evaluation() -> str:
    """Measure answers whose metrics are known: every other one right."""
    labels = np.arange(40) % 2
    logits = np.where((np.arange(40) // 2 % 2 == 0)[:, None], np.eye(2)[labels], np.eye(2)[1 - labels])
    people = np.array([f"P{number}" for number in range(40)])
    _, metrics = metrics_of(Scored(labels, logits, people, Task(("No", "Yes"))))
    if metrics is None or metrics["accuracy"].value != 0.5:
        raise RuntimeError("an accuracy of 0.5 was measured as another one")
    return f"metrics with intervals over people: accuracy {interval_line(metrics['accuracy'])} where 0.5 is true"


def _step(name: str) -> str:
    began = time.perf_counter()
    loss = in_backend(name, STEP)
    return f"loss {loss:.2f}, {time.perf_counter() - began:.0f} s with the start"


def _explanation() -> str:
    from core.workflows.predict import predictor_of, read_scans

    if not bundle_names():
        raise RuntimeError("there is no model in the models folder")
    bundle = open_bundle(None)
    sample = next((PROJECT / "sample_scans").glob("*.png"))
    read_scans([read_scan({sample.name: sample.read_bytes()})], predictor_of(bundle.folder))
    return f"{bundle.name} explains {sample.name}"


def _database() -> str:
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "try.db")
        try:
            connection.execute("create table tried (n integer)")
            connection.execute("insert into tried values (1)")
            connection.commit()
        finally:
            connection.close()
    return f"SQLite {sqlite3.sqlite_version} can be written"


def _page() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(  # noqa: S603 - our own program
        [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            "streamlit_app.py",
            f"--server.port={port}",
            "--server.address=127.0.0.1",
            "--server.headless=true",
        ],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        began = time.monotonic()
        while time.monotonic() - began < PAGE_WAIT:
            if server.poll() is not None:
                raise RuntimeError(f"the server ended with status {server.returncode}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1) as answer:
                    if answer.read() == b"ok":
                        return f"the dashboard answered after {time.monotonic() - began:.0f} s"
            except OSError:
                time.sleep(0.3)
        raise RuntimeError(f"the dashboard did not answer within {PAGE_WAIT} s")
    finally:
        server.terminate()
        server.wait(20)
