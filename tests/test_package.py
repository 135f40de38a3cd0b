import pkgutil
import subprocess
import sys
import tomllib

import cv2
import pytest

import core
from core.errors import StageLensError
from core.registry import collect
from core.scans.reader import Reader

from .conftest import ROOT, SAMPLES


def test_the_public_names_are_these_and_load() -> None:
    assert len(core.__all__) == 40
    for name in core.__all__:
        assert getattr(core, name) is not None
    with pytest.raises(AttributeError, match="No core attribute nothing"):
        _ = core.nothing  # type: ignore[attr-defined]


def test_reading_and_auditing_load_no_network_library() -> None:
    code = (
        "import sys, core; core.read_scan, core.audit_folder, core.open_bundle; import core.__main__;"
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'torch', 'jax')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_every_error_is_of_one_tree_and_drawn_in_it() -> None:
    import core.errors

    kinds = [kind for kind in vars(core.errors).values() if isinstance(kind, type)]
    assert all(issubclass(kind, StageLensError) for kind in kinds)
    assert all(kind.__name__ in (core.errors.__doc__ or "") for kind in kinds)


def test_a_registry_refuses_what_is_no_record() -> None:
    with pytest.raises(TypeError, match="exports no LAYOUT"):
        collect("core.scans.formats", "LAYOUT", Reader)


def test_the_sample_scans_are_slices_of_the_talairach_grid() -> None:
    paths = sorted(SAMPLES.glob("*.png"))
    assert len(paths) == 12
    for path in paths:
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert (picture.shape, picture.dtype) == ((208, 176), "uint8")
        assert picture[0].max() == 0
        assert 0.2 < (picture > 20).mean() < 0.7
    marked, template = (cv2.imread(str(SAMPLES / f"icbm_{name}_z16.png"), 0) for name in ("marked", "template"))
    ventricles = (slice(70, 140), slice(60, 116))
    assert (marked[ventricles] < 60).sum() > 1.5 * (template[ventricles] < 60).sum()


def test_the_import_contract_names_every_room() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = {name.strip() for layer in layers for name in layer.split("|")}
    rooms = {f"core.{found.name}" for found in pkgutil.iter_modules(core.__path__)}
    assert rooms <= named


def test_no_level_of_a_room_holds_more_than_fifteen_files() -> None:
    folders = [folder for folder in (ROOT / "core").rglob("*") if folder.is_dir() and folder.name != "__pycache__"]
    assert len(folders) > 20
    faces = "__init__.pyi"  # the names of a room's __init__.py, which imports them when they are used
    files = {folder: [path for path in folder.iterdir() if path.is_file() and path.name != faces] for folder in folders}
    assert not [folder for folder, inside in files.items() if len(inside) > 15]
