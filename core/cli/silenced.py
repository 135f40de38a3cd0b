"""Keeps the notes that TensorFlow's libraries write while they load from standing between a person and the answer."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

LOUD = ("keras", "tensorflow")  # Keras loads its backend


def silence_startups() -> None:
    """Let Keras and TensorFlow load without their notes from now on, wherever in the package they are first needed."""
    if _Quietly not in sys.meta_path:
        sys.meta_path.insert(0, _Quietly)


class _Quietly(PathFinder):
    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = super().find_spec(fullname, path, target) if fullname in LOUD else None
        if found is not None and isinstance(found.loader, SourceFileLoader):
            found.loader = _QuietLoader(found.loader.name, found.loader.path)
        return found


class _QuietLoader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        with silenced_startup():
            super().exec_module(module)


@contextlib.contextmanager
def silenced_startup() -> Iterator[None]:
    """Hold back standard error, the one of compiled libraries too; what was held is shown if loading fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:  # not Ctrl-C, after which nobody asks for them
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
