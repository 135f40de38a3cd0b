"""Where the pages keep what they make, and the turn that trainings take on a device."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

WORKSPACE_VARIABLE = "STAGELENS_WORKSPACE"
PATIENCE = 0.5  # seconds between two looks at whether somebody asked to stop


def workspace(*parts: str) -> Path:
    """Return a folder of what the pages make, and make it: $STAGELENS_WORKSPACE, or .stagelens at home."""
    chosen = os.environ.get(WORKSPACE_VARIABLE)
    folder = (Path(chosen) if chosen else Path.home() / ".stagelens").joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def turn_on(device: str, *, waiting: Callable[[bool], None]) -> Iterator[None]:
    """Wait for a device's turn and hold it: one training at a time of all in a workspace.

    Args:
        device: Its name.
        waiting: Called again and again while another training holds it, the first time with True; what it raises ends
            the waiting.
    """
    name = re.sub(r"[^a-z0-9]+", "-", device.lower())
    lock = FileLock(workspace("locks") / f"{name}.lock")
    first = True
    while True:
        try:
            lock.acquire(timeout=PATIENCE)
            break
        except Timeout:
            waiting(first)
            first = False
    try:
        yield
    finally:
        lock.release()
