"""The manifest of files made from volumes: whose each file is, and what it was made from."""

from pathlib import Path

import pandas as pd

from core.files import write_table
from core.tables import numbers, read_table, require

MANIFEST, LEFT_OUT = "manifest.csv", "left_out.csv"
COLUMNS = ("path", "label", "subject", "session", "height_mm", "source", "verdict", "similarity", "digest")
WHAT = "a manifest"


def read_manifest(folder: Path) -> pd.DataFrame:
    """Read the manifest of a folder; empty if there is none.

    Raises:
        CohortError: It is not a table, or columns are missing.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    texts = ("path", "label", "source")
    table = read_table(path, WHAT, columns=dict.fromkeys(COLUMNS, ()), verbatim=texts, empty=True)
    if "digest" not in table:  # as the first versions wrote it
        table["digest"] = ""
    require(table, path, WHAT, names=COLUMNS)
    for name in ("height_mm", "similarity"):
        table[name] = numbers(table, name, path)
    return table.reset_index(drop=True)


def write_manifest(folder: Path, rows: pd.DataFrame, *, name: str = MANIFEST) -> None:
    """Write a manifest, replacing the old one atomically."""
    write_table(folder / name, rows)
