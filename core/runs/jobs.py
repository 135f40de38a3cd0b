"""Trainings as processes of their own. The run folder is the whole protocol; nothing here imports a network library.

    RUN/status.json      how it stands, replaced atomically, with a heartbeat every two seconds
    RUN/stop             asks it to stop at the next batch
    RUN/job/arguments.json, log.txt, recipe.toml, split.csv    how it was started, and what it said

A process id proves nothing, so none is looked at: a run that says it is running and has a stale heartbeat was
interrupted. Trainings on one device take turns, by a lock that the system releases when its process ends.
"""

import contextlib
import dataclasses
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.errors import Stopped, TrainingError
from core.files import PROJECT, replacing_folder, write_json
from core.networks.card import NAME, write_card
from core.runs.folder import workspace

STATUS_FILE, STOP_FILE, JOB_FOLDER = "status.json", "stop", "job"
ARGUMENTS_FILE, LOG_FILE = "arguments.json", "log.txt"
PROTOCOL = (STATUS_FILE, STOP_FILE, JOB_FOLDER)  # what a run folder may hold before its run begins
BEAT, STALE = 2.0, 20.0  # seconds
LIVE = ("starting", "queued", "running")


@dataclass(frozen=True)
class Status:
    """How a run stands.

    Attributes:
        state: starting, queued, running, stopped, failed, finished, or interrupted (its process is gone).
        title: Such as "phase 2, epoch 3".
        batch: Batches done of this epoch.
        batches: Batches of an epoch.
        metrics: Running accuracy and loss.
        message: The last sentence it said, or why it ended.
        device: What it computes on.
        seconds_left: At most so long, were every epoch used; None while unknown.
        began: When it started, seconds since 1970.
        heartbeat: When it was last alive.
    """

    state: str = "starting"
    title: str = ""
    batch: int = 0
    batches: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    message: str = ""
    device: str = ""
    seconds_left: float | None = None
    began: float = 0.0
    heartbeat: float = 0.0

    @property
    def live(self) -> bool:
        """Whether a process is at work on it."""
        return self.state in LIVE


def read_status(folder: Path) -> Status | None:
    """Read how a run stands; None where there is none."""
    try:
        status = Status(**json.loads((folder / STATUS_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    if status.live and time.time() - status.heartbeat > STALE:
        return dataclasses.replace(status, state="interrupted", message="its process ended without a word")
    return status


def list_runs(root: Path) -> dict[str, Status]:
    """List the runs in a folder, the newest first."""
    found = {path.parent.name: read_status(path.parent) for path in root.glob(f"*/{STATUS_FILE}")}
    known = {name: status for name, status in found.items() if status is not None}
    return dict(sorted(known.items(), key=lambda item: -item[1].began))


def start(folder: Path, arguments: list[str]) -> None:
    """Start `stagelens` with arguments as a process of its own, which outlives this one.

    Args:
        folder: The run's folder, made if need be.
        arguments: Of the command line, such as ["train", "s1_resnet50", …]; kept for `resume`.

    Raises:
        TrainingError: A process is at work in the folder already.
    """
    status = read_status(folder)
    if status is not None and status.live:
        raise TrainingError(f"the run {folder.name} is {status.state} already.")
    job = folder / JOB_FOLDER
    job.mkdir(parents=True, exist_ok=True)
    (folder / STOP_FILE).unlink(missing_ok=True)
    plain = [argument for argument in arguments if argument != "--resume"]
    write_json(job / ARGUMENTS_FILE, plain)
    now = time.time()
    _write(folder, Status(began=now, heartbeat=now, message="the process is starting"))
    with (job / LOG_FILE).open("a", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "core", *arguments], cwd=PROJECT, stdout=log, stderr=log,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    threading.Thread(target=process.wait, daemon=True).start()  # takes note of its end, so that no zombie is left


def resume(folder: Path) -> None:
    """Go on with a run that was stopped or interrupted.

    Raises:
        TrainingError: Nobody knows how it was started, or it is at work.
    """
    try:
        arguments = json.loads((folder / JOB_FOLDER / ARGUMENTS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{folder.name} cannot be resumed from here: nobody knows how it was started.") from error
    begun = (folder / "run.json").exists()
    start(folder, [*arguments, *(["--resume"] if begun else [])])


def ask_to_stop(folder: Path) -> None:
    """Ask a run to stop at its next batch."""
    (folder / STOP_FILE).touch()


def log_of(folder: Path, *, lines: int = 200) -> str:
    """Return the last lines of what a run said."""
    try:
        text = (folder / JOB_FOLDER / LOG_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.replace("\r", "\n"))
    return "\n".join(line for line in plain.splitlines()[-lines:] if line.strip())


def promote(bundle: Path, models: Path, name: str) -> Path:
    """Copy a run's bundle into the models folder under a name of its own.

    Raises:
        TrainingError: The name is not allowed or taken, or the run has no bundle.
    """
    if not NAME.match(name):
        raise TrainingError(f"a model's name has small letters, digits, _ and - only. Received: {name!r}")
    if not (bundle / "card.json").is_file():
        raise TrainingError("this run has no bundle yet.")
    target = models / name
    if target.exists():
        raise TrainingError(f"there is a model {name} already; choose another name.")
    models.mkdir(parents=True, exist_ok=True)
    with replacing_folder(target) as unfinished:
        shutil.copytree(bundle, unfinished, dirs_exist_ok=True)
        card = json.loads((unfinished / "card.json").read_text(encoding="utf-8"))
        write_card(unfinished, {**card, "name": name})
    return target


class Reporter:
    """Keeps a run's status true while it works; give its `step` and `say` to the training."""

    def __init__(self, folder: Path, *, device: str, epochs: int) -> None:
        self._folder, self._epochs = folder, epochs
        now = time.time()
        self._status = Status("running", device=device, began=now, heartbeat=now)
        self._guard, self._over = threading.Lock(), threading.Event()
        self._pace: tuple[str, float, float] = ("", 0.0, 0.0)  # title, when it began, seconds a batch
        self._titles: list[str] = []
        self._beating = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Reporter":
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / STOP_FILE).unlink(missing_ok=True)
        self.change()
        self._beating.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        self._over.set()
        self._beating.join()
        if error is None:
            self.change(state="finished", message="", seconds_left=0.0)
        elif isinstance(error, Stopped | KeyboardInterrupt):
            self.change(state="stopped", message="stopped; it can be resumed")
        else:
            self.change(state="failed", message=" ".join(str(error).split()) or type(error).__name__)

    def change(self, **values: Any) -> None:
        """Change the status and write it."""
        with self._guard:
            self._status = dataclasses.replace(self._status, heartbeat=time.time(), **values)
            _write(self._folder, self._status)

    def say(self, sentence: str) -> None:
        """Note what the training is at."""
        self.check()
        self.change(message=sentence)

    def step(self, title: str, batch: int, batches: int, metrics: dict[str, float]) -> None:
        """Note a batch; written with the next heartbeat.

        Raises:
            Stopped: Somebody asked for it.
        """
        self.check()
        now = time.monotonic()
        if title != self._pace[0]:
            self._titles.append(title)
            self._pace = (title, now, 0.0)
        elif batch > 1:
            self._pace = (title, self._pace[1], (now - self._pace[1]) / (batch - 1))
        left = self._pace[2] * (batches - batch + batches * max(self._epochs - len(self._titles), 0))
        with self._guard:
            self._status = dataclasses.replace(
                self._status, title=title, batch=batch, batches=batches, metrics=metrics, seconds_left=left or None
            )

    def check(self) -> None:
        """Stop if somebody asked for it."""
        if (self._folder / STOP_FILE).exists():
            raise Stopped("stopped as asked; go on with --resume.")

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            self.change()


@contextlib.contextmanager
def turn_on(device: str, reporter: Reporter, say: Callable[[str], None]) -> Iterator[None]:
    """Wait for a device's turn and hold it: one training at a time of all that share a workspace."""
    name = re.sub(r"[^a-z0-9]+", "-", device.lower())
    lock = FileLock(workspace("locks") / f"{name}.lock")
    waited = False
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            reporter.check()
            if not waited:
                waited = True
                say(f"another training is at work on {device}; waiting for its end")
                reporter.change(state="queued")
    try:
        reporter.change(state="running")
        yield
    finally:
        lock.release()


def _write(folder: Path, status: Status) -> None:
    write_json(folder / STATUS_FILE, asdict(status))
