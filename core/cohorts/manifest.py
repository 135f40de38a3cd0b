"""The manifest of files made from volumes: whose each file is, and what it was made from."""

from pathlib import Path

import pandas as pd

from core.errors import CohortError
from core.files import write_table

MANIFEST, LEFT_OUT = "manifest.csv", "left_out.csv"
COLUMNS = ("path", "label", "subject", "session", "height_mm", "source", "verdict", "similarity")


def read_manifest(folder: Path) -> pd.DataFrame:
    """Read the manifest of a folder; empty if there is none.

    Raises:
        CohortError: It is not a table, or columns are missing.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(("path", "label", "subject", "session", "source"), str))
    except (OSError, ValueError) as error:
        raise CohortError(f"{path} is not a table: {str(error).splitlines()[0]}") from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise CohortError(f"{path} has no column {missing[0]}.")
    texts = ["path", "label", "subject", "session", "source"]
    table[texts] = table[texts].fillna("")
    return table


def write_manifest(folder: Path, rows: pd.DataFrame, *, name: str = MANIFEST) -> None:
    """Write a manifest, replacing the old one atomically."""
    write_table(folder / name, rows)
