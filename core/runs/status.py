"""How a run stands: a file that is replaced atomically, with a heartbeat every two seconds.

A process id proves nothing, so none is looked at: a run that says it is running and has a stale heartbeat was
interrupted.
"""

import dataclasses
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.errors import Stopped
from core.files import write_json

STATUS_FILE, STOP_FILE = "status.json", "stop"
BEAT, STALE = 2.0, 20.0  # seconds
STARTING = 120.0  # seconds that a process may take to load a network library, before it can say anything
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
    patience = STARTING if status.state == "starting" else STALE
    if status.live and time.time() - status.heartbeat > patience:
        return dataclasses.replace(status, state="interrupted", message="its process ended without a word")
    return status


def list_runs(root: Path) -> dict[str, Status]:
    """List the runs in a folder, the newest first."""
    found = {path.parent.name: read_status(path.parent) for path in root.glob(f"*/{STATUS_FILE}")}
    known = {name: status for name, status in found.items() if status is not None}
    return dict(sorted(known.items(), key=lambda item: -item[1].began))


def write_status(folder: Path, status: Status) -> None:
    """Write how a run stands."""
    write_json(folder / STATUS_FILE, asdict(status))


class Reporter:
    """Keeps a run's status true while it works; it listens to the training."""

    def __init__(self, folder: Path, *, device: str, epochs: int) -> None:
        self._folder, self._epochs = folder, epochs
        now = time.time()
        self._status = Status("running", device=device, began=now, heartbeat=now)
        self._guard, self._over = threading.Lock(), threading.Event()
        self._began = time.monotonic()  # the epoch
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
            write_status(self._folder, self._status)

    def say(self, sentence: str) -> None:
        """Note what the training is at."""
        self.check()
        self.change(message=sentence)

    def epoch_begins(self, title: str, batches: int) -> None:
        """Note an epoch, at once: what is read of it must not lag behind its log.

        Raises:
            Stopped: Somebody asked for it.
        """
        self.check()
        self._titles.append(title)
        self._began = time.monotonic()
        self.change(title=title, batch=0, batches=batches, metrics={})

    def batch_ends(self, batch: int, metrics: Mapping[str, float]) -> None:
        """Note a batch; written with the next heartbeat.

        Raises:
            Stopped: Somebody asked for it.
        """
        self.check()
        batches = self._status.batches
        pace = (time.monotonic() - self._began) / batch
        left = pace * (batches - batch + batches * max(self._epochs - len(self._titles), 0))
        with self._guard:
            self._status = dataclasses.replace(self._status, batch=batch, metrics=dict(metrics), seconds_left=left)

    def epoch_ends(self, phase: int, row: Mapping[str, float]) -> None:
        """Note what the epoch came to on the validation part, at once."""
        found = {name: row[name] for name in ("val_accuracy", "val_loss") if name in row}
        self.change(metrics={**self._status.metrics, **found})

    def check(self) -> None:
        """Stop if somebody asked for it."""
        if (self._folder / STOP_FILE).exists():
            raise Stopped("stopped as asked; go on with --resume.")

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            self.change()
