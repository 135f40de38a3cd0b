"""Which backend of Keras each machine and Python gets: what `make` goes by, what a test resolves, what the docs show.

`python -m start.platforms --write` writes the table in docs/platforms.md anew.
"""

import platform
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "platforms.md"
BEGIN, END = "<!-- the table, from start/platforms.py -->\n", "<!-- its end -->\n"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
REFUSED = ()


@dataclass(frozen=True)
class Machine:
    """A kind of machine.

    Attributes:
        title: Its name.
        name: What Python calls it, as `this_machine` gives it.
        needs: What its system must have.
        resolves_as: What uv calls it, at the oldest system that is supported.
        megabytes: What is downloaded, at most.
        backends: Packages, with the release where one is asked for, in the order of `PYTHONS`; none where refused.
    """

    title: str
    name: str
    needs: str
    resolves_as: str
    megabytes: int
    backends: tuple[tuple[str, ...], ...]


TENSORFLOW, JAX, TORCH = ("tensorflow 2.21",), ("jax",), ("torch",)
METAL = ("tensorflow 2.18", "tensorflow-metal 1.2", "torch")
LAST_FOR_INTEL = ("tensorflow 2.16",)

MACHINES = (
    Machine("Linux, x86-64", "linux-x86_64", "glibc 2.28", "x86_64-manylinux_2_28", 1100,
            (TENSORFLOW, TENSORFLOW, TENSORFLOW, JAX)),
    Machine("Linux, ARM", "linux-aarch64", "glibc 2.31", "aarch64-manylinux_2_31", 750,
            (TENSORFLOW, TENSORFLOW, TENSORFLOW, JAX)),
    Machine("Windows, x86-64", "win-amd64", "Windows 10", "x86_64-pc-windows-msvc", 800,
            (TENSORFLOW, TENSORFLOW, TENSORFLOW, JAX)),
    Machine("Mac, Apple silicon", "macosx-arm64", "macOS 13", "aarch64-apple-darwin", 800,
            (METAL, METAL, TORCH, TORCH)),
    Machine("Mac, Intel", "macosx-x86_64", "macOS 13", "x86_64-apple-darwin", 750,
            (LAST_FOR_INTEL, LAST_FOR_INTEL, REFUSED, REFUSED)),
)  # fmt: skip


def this_machine() -> str:
    """Return system and processor that this Python was built for, such as "linux-x86_64"."""
    built_for = sysconfig.get_platform()
    if built_for.startswith("macosx"):  # with the macOS it was built on, and perhaps for both processors
        return f"macosx-{platform.machine()}"
    return built_for + ("-musl" if "musl" in str(sysconfig.get_config_var("HOST_GNU_TYPE")) else "")


def here() -> tuple[Machine | None, tuple[str, ...]]:
    """Return the kind of this machine, if it is a known one, and the backends that this Python gets."""
    machine = next((one for one in MACHINES if this_machine() == one.name), None)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if machine is None or version not in PYTHONS:
        return machine, REFUSED
    return machine, machine.backends[PYTHONS.index(version)]


def trouble() -> str:
    """Say on one line why StageLens does not run with this Python; "" if it does."""
    version = platform.python_version()
    machine, backends = here()
    if machine is None:
        return f"Keras' backends are not built for {this_machine()}; docs/platforms.md says for what they are."
    if platform.python_implementation() != "CPython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return f"Keras' backends are built for the usual CPython, and this is {sys.version.split('(')[0]}."
    if not backends:
        fitting = [python for python, found in zip(PYTHONS, machine.backends, strict=True) if found]
        return f"{machine.title} needs Python {fitting[0]} to {fitting[-1]}, and this is {version}."
    try:
        import ensurepip  # noqa: F401 - Debian leaves it out
        import venv  # noqa: F401
    except ImportError:
        return f"Python {version} cannot make environments here; on Debian and Ubuntu: apt install python3-venv."
    return ""


def table() -> str:
    """Draw the table of docs/platforms.md."""
    rows = [("", *(f"Python {python}" for python in PYTHONS), "from"), ("---",) * (len(PYTHONS) + 2)]
    for machine in MACHINES:
        cells = (", ".join(found) if found else "refused" for found in machine.backends)
        rows.append((f"**{machine.title}**", *cells, machine.needs))
    return "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |") for row in rows)


def write() -> None:
    """Put the table into docs/platforms.md."""
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}", encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    write()
