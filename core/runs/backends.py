"""What this machine can compute with: every backend asked in a process of its own, as one process can have one only."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any

from core.backend_choice import settled_backend

BACKENDS = {"tensorflow": "tensorflow", "torch": "torch", "jax": "jax"}  # Keras' names and the packages
QUESTION = """
import json
from core.networks.devices import device_title, devices, has_bfloat16
print(json.dumps({"devices": devices(), "used": device_title(), "bfloat16": has_bfloat16()}))
"""
WAIT = 180  # seconds


@dataclass(frozen=True)
class BackendReport:
    """What a backend found.

    Attributes:
        name: tensorflow, torch or jax.
        installed: Whether its package is there.
        chosen: Whether Keras would take it now.
        devices: What it can compute on, the one that is used first.
        used: The device it uses, in words.
        bfloat16: Whether that computes in bfloat16 itself.
        trouble: Why it does not work, in one line; "" if it does.
        why: Why it is chosen, in a clause; "" if it is not.
    """

    name: str
    installed: bool
    chosen: bool
    devices: tuple[str, ...] = ()
    used: str = ""
    bfloat16: bool = False
    trouble: str = ""
    why: str = ""


def backends() -> list[BackendReport]:
    """Ask every backend of Keras what it finds."""
    choice = settled_backend()
    return [replace(_ask(name), why=choice.why if name == choice.backend else "") for name in BACKENDS]


def installed_backends() -> list[str]:
    """List the backends whose package is installed."""
    return [name for name, package in BACKENDS.items() if importlib.util.find_spec(package) is not None]


def in_backend(name: str, code: str, *arguments: str, wait: float = WAIT) -> Any:
    """Run Python code in a process whose Keras has a certain backend; its last line of output is JSON.

    Args:
        name: The backend.
        code: What to run.
        arguments: Given to it as sys.argv[1:].
        wait: Seconds after which it is given up.

    Raises:
        RuntimeError: It failed; says the last line of what it complained about.
    """
    environment = {**os.environ, "KERAS_BACKEND": name, "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, "-c", code, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=wait,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"no answer within {wait:.0f} s") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise RuntimeError(lines[-1] if lines else f"exit status {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def chosen_backend() -> str:
    """Return the backend that Keras takes; `core.backend_choice` says how it is chosen."""
    return settled_backend().backend


def _ask(name: str) -> BackendReport:
    chosen = name == chosen_backend()
    if name not in installed_backends():
        return BackendReport(name, installed=False, chosen=chosen)
    try:
        found = in_backend(name, QUESTION)
    except RuntimeError as error:
        return BackendReport(name, installed=True, chosen=chosen, trouble=str(error))
    return BackendReport(
        name=name,
        installed=True,
        chosen=chosen,
        devices=tuple(found["devices"]),
        used=found["used"],
        bfloat16=found["bfloat16"],
    )
