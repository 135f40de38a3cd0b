"""Compiled networks kept in the user's cache, so that reading a scan loads no network library. Knows no Keras.

The first load of a bundle builds its network in Keras, has OpenVINO compile it, checks that both give the same logits,
and keeps the compiled model (`export_model`, which OpenVINO maps back in 0.04 s and which takes 90 MB less memory than
compiling its IR anew) with the layout of the layers. An entry's name is the hash of everything that it depends on: the
weights, the recipe, the code that builds networks, the versions of Keras and OpenVINO, and the processor. Where any of
them is another one, the network is compiled again. What is read back is data whose SHA-256 stands beside it; an entry
that is damaged, or that somebody else could have written, is made anew.
"""

import contextlib
import hashlib
import json
import logging
import mmap
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_path

from core.backend_choice import installed_version
from core.files import read_json, replacing_folder, sha256_of, write_json
from core.networks import architectures
from core.networks.architectures.geometry import input_shape
from core.networks.bundle import WEIGHTS_FILE, Bundle, check_digests
from core.networks.inference.engine import Body, Layout, openvino, openvino_settings, pass_of

CACHE_VARIABLE = "STAGELENS_CACHE"
FORMAT = 1
KEPT = 8  # entries; the one that was not used for longest goes first
MODEL_FILE, FACTS_FILE = "network.blob", "facts.json"
PREPARING = "Preparing the network for this machine, once; this takes about a quarter of a minute …"
told = logging.getLogger("stagelens")


def cache_folder() -> Path:
    """Return the folder of compiled networks: below $STAGELENS_CACHE, or the user's cache."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return (Path(chosen) if chosen else user_cache_path("stagelens", appauthor=False)) / "networks"


def compiled_body_of(bundle: Bundle, digest: str, make: Callable[[], tuple[Body, Any]]) -> Body:
    """Return a bundle's forward pass from the cache; where it is not there, make it and keep it.

    Args:
        bundle: The bundle.
        digest: SHA-256 of its weights.
        make: Builds the network and compiles it; as `core.networks.inference.conversion.compiled_body`.
    """
    core = openvino().Core()
    folder = cache_folder() / _key(bundle, digest, core)
    found = _read(folder, core, bundle)
    if found is not None:
        return found
    told.info(PREPARING)
    with _one_at_a_time(folder.parent):
        body, ready = _read(folder, core, bundle), None
        if body is None:
            body, ready = make()
        if ready is not None:
            _keep(folder, body, ready)
    return body


def is_compiled(bundle: Bundle) -> bool:
    """Tell whether there is an entry for a bundle, without reading it."""
    digest = check_digests(bundle)[WEIGHTS_FILE]
    return (cache_folder() / _key(bundle, digest, openvino().Core()) / FACTS_FILE).is_file()


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process compile at a time, where the cache can be written."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            held.enter_context(FileLock(folder / ".lock"))
        yield


def _key(bundle: Bundle, digest: str, core: Any) -> str:
    """Return the hash of everything that a compiled network depends on."""
    processor = [str(core.get_property("CPU", name)) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    known = {
        "format": FORMAT,
        "weights": digest,
        "recipe": asdict(bundle.recipe),
        "architectures": _digest_of_code(),
        "versions": {name: installed_version(name) for name in ("keras", "openvino")},
        "processor": processor,
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _digest_of_code() -> str:
    """Return the hash of the code that builds networks and of the code that compiles them."""
    found = hashlib.sha256()
    here = Path(__file__).parent
    for file in (*sorted(Path(architectures.__file__).parent.glob("*.py")), *sorted(here.glob("*.py"))):
        found.update(file.read_bytes())
    return found.hexdigest()


def _read(folder: Path, core: Any, bundle: Bundle) -> Body | None:
    """Read an entry; None where there is none, or it is not as it was written."""
    facts = read_json(folder / FACTS_FILE)
    file = folder / MODEL_FILE
    try:
        if not isinstance(facts, dict) or not _is_ours(folder):
            return None
        # Copied on write, as OpenVINO asks for memory that could be written to; nothing is.
        mapped = np.memmap(file, np.uint8, mode="c")
        if hashlib.sha256(mapped.data).hexdigest() != facts["sha256"]:
            return None
        centres = {name: tuple(map(np.asarray, axes)) for name, axes in facts["centres"].items()}
        layout = Layout(facts["target_layer"], centres)
        tensor = openvino().Tensor(mapped, shared_memory=True)
        ready = core.import_model(tensor, "CPU", openvino_settings())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        return None
    with contextlib.suppress(OSError):
        folder.touch()  # what was used last goes last
    run, shape = pass_of(ready), input_shape(bundle.recipe)
    run(np.zeros((1, *shape), np.float32))  # most weights are arranged anew now, and no longer read from the file
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]

    def keeping(given: np.ndarray, _: object = tensor) -> Any:
        return run(given)

    return Body("openvino", keeping, layout)


def _keep(folder: Path, body: Body, ready: Any) -> None:
    """Write an entry, whole or not at all; a cache that cannot be written costs time, nothing else."""
    with contextlib.suppress(OSError, RuntimeError):
        with replacing_folder(folder) as unfinished:
            (unfinished / MODEL_FILE).write_bytes(ready.export_model().getvalue())
            centres = {name: [axis.tolist() for axis in axes] for name, axes in body.layout.centres.items()}
            facts = {"target_layer": body.layout.target_layer, "centres": centres}
            write_json(unfinished / FACTS_FILE, {**facts, "sha256": sha256_of(unfinished / MODEL_FILE)})
        used = sorted((one for one in folder.parent.iterdir() if one.is_dir()), key=lambda one: one.stat().st_mtime)
        for old in used[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Tell whether nobody else can have written an entry; not asked of systems that know no owners."""
    if not hasattr(os, "getuid"):
        return True
    state = folder.stat()
    return state.st_uid == os.getuid() and not state.st_mode & 0o022
