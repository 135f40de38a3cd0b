"""What `stagelens preprocess` and `stagelens volumes` write: class folders and a manifest that names the people."""

from collections.abc import Iterator
from pathlib import Path

from core.cohorts.layout import Entry, Layout
from core.cohorts.manifest import MANIFEST, read_manifest


def _entries(folder: Path) -> Iterator[Entry]:
    for row in read_manifest(folder).itertuples():
        yield Entry(
            path=folder / str(row.path),
            label=str(row.label),
            subject=str(row.subject),
            session=str(row.session),
            height_mm=float(row.height_mm),
        )


LAYOUT = Layout("preprocessed", 1, lambda folder: (folder / MANIFEST).is_file(), _entries)
