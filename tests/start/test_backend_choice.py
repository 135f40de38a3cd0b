import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from core import backend_choice
from core.backend_choice import Choice, choose
from core.reporting.text.machine import devices_text
from core.runs.backends import BackendReport

from ..conftest import ROOT

CPU = "cuda = None\n"
CUDA = "cuda: Optional[str] = '12.8'\n"


class Computer:
    """A pretended computer: packages that are only folders, a home, and devices."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.devices = folder / "dev"
        for made in (folder / "packages", folder / "home", self.devices):
            made.mkdir()
        monkeypatch.setattr(sys, "path", [str(folder / "packages")])
        monkeypatch.setattr(sys, "modules", {k: v for k, v in sys.modules.items() if k not in backend_choice.BACKENDS})
        monkeypatch.setattr(backend_choice, "DEVICES", self.devices)
        monkeypatch.setenv("KERAS_HOME", str(folder / "home"))
        for name in ("KERAS_BACKEND", "CUDA_VISIBLE_DEVICES"):
            monkeypatch.delenv(name, raising=False)
        self.is_a("linux", "x86_64")

    def is_a(self, system: str, processor: str) -> None:
        self.monkeypatch.setattr(sys, "platform", system)
        self.monkeypatch.setattr("platform.machine", lambda: processor)

    def has(self, *packages: str, torch_version: str = CPU) -> None:
        for name in packages:
            (self.folder / "packages" / name).mkdir()
            (self.folder / "packages" / name / "__init__.py").write_text("raise RuntimeError('this was imported')")
            if name == "torch":
                (self.folder / "packages" / name / "version.py").write_text(torch_version)

    def has_distribution(self, name: str, *needs: str) -> None:
        info = self.folder / "packages" / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        lines = [
            "Metadata-Version: 2.1",
            f"Name: {name}",
            "Version: 1.0",
            *(f"Requires-Dist: {need}" for need in needs),
        ]
        (info / "METADATA").write_text("\n".join(lines) + "\n")

    def has_nvidia(self) -> None:
        (self.devices / "nvidia0").touch()

    def keras_file_says(self, words: str) -> None:
        (self.folder / "home" / "keras.json").write_text(words)


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    return Computer(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("packages", "backend", "why"),
    [
        (("tensorflow", "torch", "jax"), "tensorflow", "the first installed"),
        (("jax", "torch"), "torch", "the first installed"),
        (("jax",), "jax", "the only one installed"),
        ((), "", "no backend is installed"),
    ],
)
def test_without_a_gpu_the_first_that_is_installed_is_taken(
    computer: Computer, packages: tuple[str, ...], backend: str, why: str
) -> None:
    computer.has(*packages)
    assert choose() == Choice(backend, why)


def test_a_folder_that_only_has_the_name_of_a_backend_is_not_one(computer: Computer) -> None:
    (computer.folder / "packages" / "tensorflow").mkdir()
    computer.has("jax")
    assert choose().backend == "jax"


def test_keras_backend_is_above_everything(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    computer.has("tensorflow", "torch")
    computer.keras_file_says('{"backend": "torch"}')
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert choose() == Choice("jax", "KERAS_BACKEND says so")


def test_keras_own_file_counts_where_it_names_one_that_keras_does_not_write_itself(computer: Computer) -> None:
    computer.has("tensorflow", "torch", torch_version=CUDA)
    computer.keras_file_says('{"backend": "torch"}')
    assert choose() == Choice("torch", "keras.json says so")
    computer.has_nvidia()
    computer.keras_file_says('{"backend": "tensorflow"}')
    assert choose() == Choice("torch", "it can use the NVIDIA GPU")


@pytest.mark.parametrize("words", ['{"backend": "jax"}', "{", "[]", "{}"])
def test_keras_own_file_does_not_count_where_it_names_none_that_is_installed(computer: Computer, words: str) -> None:
    computer.has("tensorflow", "torch")
    computer.keras_file_says(words)
    assert choose().backend == "tensorflow"


def test_with_an_nvidia_gpu_pytorch_built_with_cuda_goes_before_tensorflow_without(computer: Computer) -> None:
    computer.has("tensorflow", "torch", "jax", torch_version=CUDA)
    computer.has_distribution("tensorflow", 'nvidia-cudnn-cu12<10; extra == "and-cuda"')
    computer.has_nvidia()
    assert choose() == Choice("torch", "it can use the NVIDIA GPU")
    computer.has_distribution("nvidia-cudnn-cu12")
    assert choose() == Choice("tensorflow", "it can use the NVIDIA GPU")


def test_with_an_nvidia_gpu_jax_with_its_plugin_goes_before_builds_for_the_cpu(computer: Computer) -> None:
    computer.has("tensorflow", "torch", "jax")
    computer.has_distribution("tensorflow")
    computer.has_nvidia()
    assert choose() == Choice("tensorflow", "the first installed; none can use the NVIDIA GPU")
    computer.has_distribution("jax-cuda13-plugin")
    assert choose() == Choice("jax", "it can use the NVIDIA GPU")


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_hidden_gpu_is_none(computer: Computer, monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    computer.has("tensorflow", "torch", torch_version=CUDA)
    computer.has_nvidia()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert choose() == Choice("tensorflow", "the first installed")


def test_on_apple_silicon_tensorflow_counts_with_metal_only(computer: Computer) -> None:
    computer.is_a("darwin", "arm64")
    computer.has("tensorflow", "torch")
    assert choose() == Choice("torch", "it can use the Apple GPU")
    computer.has_distribution("tensorflow-metal")
    assert choose() == Choice("tensorflow", "it can use the Apple GPU")


def test_an_intel_mac_has_no_gpu_to_use(computer: Computer) -> None:
    computer.is_a("darwin", "x86_64")
    computer.has("tensorflow")
    assert choose() == Choice("tensorflow", "the only one installed")


def in_a_process(code: str, home: Path, **more: str) -> list[str]:
    kept = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    environment = {**kept, "KERAS_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3", **more}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, text=True, capture_output=True, check=True
    )
    return list(json.loads(done.stdout.splitlines()[-1]))


def test_it_is_settled_by_importing_core_which_imports_no_backend(tmp_path: Path) -> None:
    code = (
        "import json, os, sys, core; from core.backend_choice import settled_backend as settled;"
        "print(json.dumps([os.environ['KERAS_BACKEND'], settled().backend, settled().why,"
        " [name for name in ('keras', 'tensorflow', 'torch', 'jax') if name in sys.modules]]))"
    )
    expected = choose().backend
    setting, backend, why, imported = in_a_process(code, tmp_path)
    assert (setting, backend, imported) == (expected, expected, [])
    assert why != "KERAS_BACKEND says so"  # though it stands there now


def test_keras_that_was_imported_before_keeps_its_backend(tmp_path: Path) -> None:
    code = (
        "import json, sys, types; keras = types.ModuleType('keras'); keras.config = types.SimpleNamespace("
        "backend=lambda: 'jax'); sys.modules['keras'] = keras; import os, core;"
        "from core.runs.backends import chosen_backend;"
        "print(json.dumps([chosen_backend(), 'KERAS_BACKEND' in os.environ]))"
    )
    assert in_a_process(code, tmp_path) == ["jax", False]


def test_devices_says_why_one_is_chosen() -> None:
    reports = [
        BackendReport("torch", True, True, ("cpu",), "cpu", why="the first installed"),
        BackendReport("jax", False, False),
    ]
    assert "→ is used: the first installed." in devices_text([asdict(report) for report in reports])
