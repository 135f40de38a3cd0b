"""A cohort of volumes as a table to split: its layout names the people, copies are found by content."""

import hashlib
from pathlib import Path

import pandas as pd

from core.cohorts.cohort import index_volumes
from core.cohorts.names.people import AUTOMATIC, Naming
from core.files import read_file


def volume_table(folder: str | Path, naming: Naming = AUTOMATIC) -> pd.DataFrame:
    """List volumes the way an audit lists slices.

    Args:
        folder: As for `index_volumes`, or the cubes that preprocess wrote.
        naming: As for `index_volumes`.

    Returns:
        The columns `path`, `label`, `subject`, `slice` (0), `copies` (the same name for byte-identical files),
        `came_in`, `sha256`, `task` and `named_by`.

    Raises:
        CohortError: The folder holds no volumes with a class.
    """
    index, _ = index_volumes(folder, naming)
    digests = [hashlib.sha256(read_file(Path(path))).hexdigest() for path in index["path"]]
    table = index.assign(slice=0, sha256=digests)
    several = table.duplicated("sha256", keep=False)
    table["copies"] = table["sha256"].where(several, "").str[:12]
    return table[["path", "label", "subject", "slice", "copies", "came_in", "sha256", "task", "named_by"]]
