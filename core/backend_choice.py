"""Which backend Keras takes, settled before Keras is first imported and without importing any of the backends.

The first of these that says something:

1. `KERAS_BACKEND`.
2. `backend` in Keras' own file (`~/.keras/keras.json`), if that is PyTorch or JAX and installed. Keras writes
   "tensorflow" there unasked when it is first imported, so that this says nothing of what anybody wants.
3. On a machine with a GPU the first of TensorFlow, PyTorch and JAX that can use it: on Apple silicon TensorFlow with
   tensorflow-metal, or PyTorch; with NVIDIA's driver TensorFlow with all packages of its extra `and-cuda`, PyTorch
   built with CUDA, or JAX with its CUDA plugin. `CUDA_VISIBLE_DEVICES` empty or -1 hides the GPUs.
4. The first of the three that is installed.

Processes that are started from here inherit it, as it is put into `KERAS_BACKEND`.
"""

import json
import os
import platform
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

BACKENDS = ("tensorflow", "torch", "jax")  # Keras' names, which are those of the packages
JAX_PLUGINS = ("jax-cuda12-plugin", "jax-cuda13-plugin")
DEVICES = Path("/dev")


@dataclass(frozen=True)
class Choice:
    """A backend and why it is taken.

    Attributes:
        backend: tensorflow, torch or jax, or whatever KERAS_BACKEND says; "" if none is installed.
        why: In a short clause.
    """

    backend: str
    why: str


@cache
def settled_backend() -> Choice:
    """Choose a backend once a process, and put it into KERAS_BACKEND, where Keras and started processes find it."""
    keras = sys.modules.get("keras")
    if keras is not None:
        return Choice(str(keras.config.backend()), "Keras was imported before StageLens")
    choice = choose()
    if choice.backend:
        os.environ["KERAS_BACKEND"] = choice.backend
    return choice


def choose() -> Choice:
    """Choose a backend from what is set, installed and built in; imports none of them."""
    asked = os.environ.get("KERAS_BACKEND")
    if asked:
        return Choice(asked, "KERAS_BACKEND says so")
    here = [name for name in BACKENDS if is_installed(name)]
    written = _in_keras_file()
    if written in here and written != "tensorflow":
        return Choice(written, "keras.json says so")
    gpu, can_use = _gpu()
    fitting = [name for name in here if can_use(name)]
    if fitting:
        return Choice(fitting[0], f"it can use the {gpu}")
    if not here:
        return Choice("", "no backend is installed")
    why = "the only one installed" if len(here) == 1 else "the first installed"
    return Choice(here[0], f"{why}; none can use the {gpu}" if gpu else why)


def is_installed(name: str) -> bool:
    """Tell whether a package is there; a folder that only has its name does not count."""
    try:
        spec = find_spec(name)
    except ValueError:  # it was put into sys.modules without a spec
        return False
    return spec is not None and spec.origin is not None


def _in_keras_file() -> str:
    """Return the backend in Keras' own file; "" if there is none that can be read."""
    folder = Path(os.environ.get("KERAS_HOME") or Path("~").expanduser() / ".keras")
    try:
        return str(json.loads((folder / "keras.json").read_text(encoding="utf-8")).get("backend", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def _gpu() -> tuple[str, Callable[[str], bool]]:
    """Return what GPU this machine has, "" for none, and what tells whether an installed backend can use it."""
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "Apple GPU", lambda name: name == "torch" or (name == "tensorflow" and _has("tensorflow-metal"))
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    if hidden or not _has_nvidia_driver():
        return "", lambda _: False
    return "NVIDIA GPU", lambda name: _WITH_CUDA[name]()


def _has_nvidia_driver() -> bool:
    """Look for what the driver leaves on Linux, in Linux under Windows, and on Windows."""
    library = Path(os.environ.get("SYSTEMROOT", "/Windows"), "System32", "nvcuda.dll")
    return any(DEVICES.glob("nvidia[0-9]*")) or Path("/usr/lib/wsl/lib/libcuda.so.1").exists() or library.exists()


def _tensorflow_has_cuda() -> bool:
    """TensorFlow's wheel for Linux brings the code, and its extra names the libraries; on Windows there is no GPU."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        libraries = [line for line in requires("tensorflow") or () if "and-cuda" in line]
    except PackageNotFoundError:  # a build of another name, such as tensorflow-cpu
        return False
    names = [found[0] for line in libraries if (found := re.match(r"[\w.-]+", line))]
    return sys.platform == "linux" and bool(names) and all(map(_has, names))


def _torch_has_cuda() -> bool:
    """PyTorch writes the CUDA it was built with into a file; the release says it (+cu128) only in some builds."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    try:
        written = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return False
    return re.search(r"^cuda\b.*=\s*['\"]", written, re.MULTILINE) is not None


def installed_version(distribution: str) -> str:
    """Return the version of an installed package, "" where it is not there; imports nothing of it."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except (PackageNotFoundError, ValueError):  # a name that is none
        return ""


def _has(distribution: str) -> bool:
    return bool(installed_version(distribution))


_WITH_CUDA: dict[str, Callable[[], bool]] = {
    "tensorflow": _tensorflow_has_cuda,
    "torch": _torch_has_cuda,
    "jax": lambda: any(map(_has, JAX_PLUGINS)),
}
