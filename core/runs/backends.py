"""What this machine can compute with: every backend asked in a process of its own, as one process can have one only."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any

from core.backend_choice import settled_backend
from core.words import either

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
        unused: Why it leaves a graphics card of this machine unused, in a sentence; "" if it uses it, or there is none.
    """

    name: str
    installed: bool
    chosen: bool
    devices: tuple[str, ...] = ()
    used: str = ""
    bfloat16: bool = False
    trouble: str = ""
    why: str = ""
    unused: str = ""


def cards() -> tuple[str, ...]:
    """List the NVIDIA cards of this machine by what their driver says, whether or not a backend can use them."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],  # noqa: S607 - wherever the driver put it
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip()) if done.returncode == 0 else ()


def why_unused(report: BackendReport, found: tuple[str, ...]) -> str:
    """Say why a backend leaves cards unused, and what to do; "" where it uses one, or does not work at all."""
    if not found or not report.installed or report.trouble or not report.used.startswith("cpu"):
        return ""
    remedy = {
        "tensorflow": 'pip install -e ".[and-cuda]" brings the CUDA libraries (Linux; on Windows in WSL2 only)',
        "jax": 'pip install "jax[cuda12]" brings the CUDA libraries (Linux)',
        "torch": "this PyTorch was built for the CPU; pytorch.org has the command for CUDA",
    }
    return f"{report.name} does not use the {either(found, 'and')}: {remedy[report.name]}."


def backends() -> list[BackendReport]:
    """Ask every backend of Keras what it finds."""
    choice, found = settled_backend(), cards()
    asked = [replace(_ask(name), why=choice.why if name == choice.backend else "") for name in BACKENDS]
    return [replace(report, unused=why_unused(report, found)) for report in asked]


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
