"""A bundle's sanity-check report: which methods pass the randomisation check with exactly these weights."""

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.files import sha256_of, stamp, write_json
from core.networks.bundle import WEIGHTS_FILE, Bundle

SANITY_FILE = "sanity_check.json"
FORMAT = 1
THRESHOLD = 0.3


@dataclass(frozen=True)
class SanityCheck:
    """How similar a method's maps are before and after all weights were randomised.

    Attributes:
        similarity: Mean SSIM of the maps' ranks, over scans and draws.
        interval: 95 % interval of that mean, bootstrapped over scans and draws.
        pairs: Number of pairs of maps compared.
    """

    similarity: float
    interval: tuple[float, float]
    pairs: int

    @property
    def passed(self) -> bool:
        """Whether the map depends on the learned weights."""
        return self.similarity < THRESHOLD

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "interval": list(self.interval), "threshold": THRESHOLD, "passed": self.passed}


@dataclass(frozen=True)
class SanityReport:
    """Outcome of the randomisation check for the methods of one bundle.

    Attributes:
        weights: SHA-256 of the weights checked.
        methods: Result of each method by its name.
        scans: The scans explained, in words.
        date: Date of the check.
    """

    weights: str
    methods: dict[str, SanityCheck]
    scans: str
    date: str


def weights_digest(folder: Path) -> str:
    """Return the SHA-256 of a bundle's weights file."""
    return sha256_of(folder / WEIGHTS_FILE)


def write_sanity_report(folder: Path, sanity_report: SanityReport) -> Path:
    """Write a report into the bundle's folder, atomically."""
    values = {
        "format": FORMAT,
        "weights": sanity_report.weights,
        "scans": sanity_report.scans,
        "date": sanity_report.date,
        "methods": {name: one.as_dict() for name, one in sanity_report.methods.items()},
    }
    path = folder / SANITY_FILE
    write_json(path, values)
    return path


def sanity_report_of(bundle: Bundle) -> SanityReport | None:
    """Return a bundle's report; None if it has none, or one for other weights."""
    folder = bundle.folder.resolve()
    try:
        return _read(folder / SANITY_FILE, stamp(folder / SANITY_FILE), stamp(folder / WEIGHTS_FILE))
    except (OSError, ValueError, KeyError, TypeError):
        return None


@functools.lru_cache(maxsize=16)
def _read(path: Path, changed: str, weights_changed: str) -> SanityReport | None:
    del changed, weights_changed  # parts of the key
    values = json.loads(path.read_text(encoding="utf-8"))
    if values["format"] != FORMAT or values["weights"] != weights_digest(path.parent):
        return None
    methods = {
        name: SanityCheck(one["similarity"], (one["interval"][0], one["interval"][1]), one["pairs"])
        for name, one in values["methods"].items()
    }
    return SanityReport(values["weights"], methods, values["scans"], values["date"])
