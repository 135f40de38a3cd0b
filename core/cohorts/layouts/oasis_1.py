"""OASIS-1 as shared: [disc*/]OAS1_0001_MR1/PROCESSED/MPRAGE/T88_111/*_masked_gfc.hdr, or RAW/*.hdr.

Marcus et al., Journal of Cognitive Neuroscience 19:1498, 2007. The clinical dementia rating comes from
oasis_cross-sectional.csv in the folder of the sessions or of the discs, or from the text file of each session. Young
people and repeat visits were not rated: their class is empty.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from core.cohorts.layout import Entry, Layout, class_name, visible_folders
from core.tables import read_table, require

SESSION = re.compile(r"^(OAS1_\d{4})_(MR\d)$")
WHAT, TABLE = "OASIS-1's table", "oasis_cross-sectional*.csv"
PROCESSED, RAW = "PROCESSED/MPRAGE/T88_111/*_masked_gfc.hdr", "RAW/*.hdr"
RATING = re.compile(r"^\s*CDR:\s*([\d.]*)\s*$", re.MULTILINE)


def _sessions(folder: Path) -> list[Path]:
    children = visible_folders(folder)
    discs = [child for child in children if child.name.lower().startswith("disc")]
    found = [*children, *(session for disc in discs for session in visible_folders(disc))]
    return sorted((path for path in found if SESSION.match(path.name)), key=lambda path: path.name)


def _entries(folder: Path) -> Iterator[Entry]:
    ratings = _ratings(folder)
    for session in _sessions(folder):
        scan = next((path for pattern in (PROCESSED, RAW) for path in sorted(session.glob(pattern))), None)
        if scan is None:
            continue
        subject, visit = session.name.rsplit("_", 1)
        label = ratings.get(session.name) or _rating_in_text_file(session)
        yield Entry(scan, label, subject=subject, session=visit)


def _ratings(folder: Path) -> dict[str, str]:
    """Read the data set's table: session to class."""
    path = next((found for parent in (folder, folder.parent) for found in sorted(parent.glob(TABLE))), None)
    if path is None:
        return {}
    table = read_table(path, WHAT, columns={"ID": ("MRI ID", "session"), "CDR": ()})
    require(table, path, WHAT, names=("ID", "CDR"))
    return {session: class_name(rating) for session, rating in zip(table["ID"], table["CDR"], strict=True)}


def _rating_in_text_file(session: Path) -> str:
    text_file = session / f"{session.name}.txt"
    if not text_file.is_file():
        return ""
    found = RATING.search(text_file.read_text(encoding="utf-8", errors="replace"))
    return class_name(found.group(1)) if found else ""


LAYOUT = Layout("OASIS-1 discs", 4, lambda folder: bool(_sessions(folder)), _entries, volumes=True)
