"""A worker process: takes one piece of work after the other from its input and answers on its output.

Started by `core.runs.workers`. It is polite to the process that draws pages (niceness), and ends with it.
"""

import contextlib
import logging
import os
import pickle
import sys
import threading
import time
import traceback
from typing import Any, BinaryIO

from core.errors import StageLensError

PROGRESS, DONE, REFUSED, FAILED = "progress", "done", "refused", "failed"
POLITE = 5  # niceness
LOOK_S = 1.0  # how often a process looks whether the one that started it is there
LOGGER = "stagelens"  # what is logged to it, at level INFO, is shown to whoever waits


class _Told(logging.Handler):
    """Sends what is logged to whoever waits for the work."""

    def __init__(self, answers: BinaryIO) -> None:
        super().__init__(logging.INFO)
        self._answers = answers

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record's sentence."""
        _send(self._answers, (PROGRESS, record.getMessage(), 0))


def end_with_parent(parent: int | None = None) -> None:
    """End this process soon after the one that started it, whatever it does; where the system tells.

    Args:
        parent: The id of that process, in case it is gone already; None for the present one.
    """
    if not hasattr(os, "getppid"):
        return
    started_by = os.getppid() if parent is None else parent

    def watch() -> None:
        while os.getppid() == started_by:
            time.sleep(LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Work until the input ends."""
    end_with_parent()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(POLITE)
    logger = logging.getLogger(LOGGER)
    logger.setLevel(logging.INFO)
    logger.addHandler(_Told(answers))
    while True:
        try:
            function, arguments, named = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this
        except EOFError:
            return
        _send(answers, _answer(function, arguments, named))


def _answer(function: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[str, Any, int]:
    try:
        return DONE, function(*arguments, **named), _memory_mb()
    except (StageLensError, OSError) as error:
        return REFUSED, error, _memory_mb()
    except Exception:  # noqa: BLE001 - a fault of the program is told with its place, and ends this piece of work only
        return FAILED, traceback.format_exc(), _memory_mb()


def _send(answers: BinaryIO, message: tuple[str, Any, int]) -> None:
    try:
        data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001 - what cannot be sent is a fault like any other
        data = pickle.dumps((FAILED, traceback.format_exc(), message[2]))
    answers.write(data)
    answers.flush()


def _memory_mb() -> int:
    """Return the memory that this process holds; 0 where the system does not say it."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - Path reads text
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20
    except (OSError, ValueError, IndexError):
        return 0


if __name__ == "__main__":
    main()
