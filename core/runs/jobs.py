"""Trainings as processes of their own. The run folder is the whole protocol; nothing here imports a network library.

    RUN/status.json      how it stands, replaced atomically, with a heartbeat every two seconds
    RUN/stop             asks it to stop at the next batch
    RUN/job/arguments.json, log.txt, recipe.toml, split.csv    how it was started, and what it said

A process id proves nothing, so none is looked at: a run that says it is running and has a stale heartbeat was
interrupted. Trainings on one device take turns, by a lock that the system releases when its process ends.
"""

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from core.errors import TrainingError
from core.files import PROJECT, replacing_folder, write_json
from core.networks.card import CARD_FILE, NAME, card_from, write_card
from core.runs.status import STOP_FILE, Status, read_status, write_status

JOB_FOLDER = "job"
ARGUMENTS_FILE, LOG_FILE = "arguments.json", "log.txt"


def start(folder: Path, arguments: list[str]) -> subprocess.Popen[bytes]:
    """Start `stagelens` with arguments as a process of its own, which outlives this one.

    Args:
        folder: The run's folder, made if need be.
        arguments: Of the command line, such as ["train", "s1_resnet50", …]; kept for `resume`.

    Returns:
        The process; nobody needs to wait for it.

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
    write_status(folder, Status(began=now, heartbeat=now, message="the process is starting"))
    with (job / LOG_FILE).open("a", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "core", *arguments],
            cwd=PROJECT,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()  # takes note of its end, so that no zombie is left
    return process


def resume(folder: Path) -> subprocess.Popen[bytes]:
    """Go on with a run that was stopped or interrupted; returns its process.

    Raises:
        TrainingError: Nobody knows how it was started, or it is at work.
    """
    try:
        arguments = json.loads((folder / JOB_FOLDER / ARGUMENTS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{folder.name} cannot be resumed from here: nobody knows how it was started.") from error
    return start(folder, [*arguments, *(["--resume"] if arguments[0] == "train" else [])])


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
    if not re.match(NAME, name):
        raise TrainingError(f"a model's name has small letters, digits, _ and - only. Received: {name!r}")
    if not (bundle / CARD_FILE).is_file():
        raise TrainingError("this run has no bundle yet.")
    target = models / name
    if target.exists():
        raise TrainingError(f"there is a model {name} already; choose another name.")
    models.mkdir(parents=True, exist_ok=True)
    with replacing_folder(target) as unfinished:
        shutil.copytree(bundle, unfinished, dirs_exist_ok=True)
        card = card_from(json.loads((unfinished / CARD_FILE).read_text(encoding="utf-8")), bundle.parent.name)
        write_card(unfinished, replace(card, name=name))
    return target
