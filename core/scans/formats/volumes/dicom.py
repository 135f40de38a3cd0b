"""DICOM: single objects, multi-frame objects, and series of many files."""

from core.scans.dicom.image import is_dicom
from core.scans.dicom.series import read_series
from core.scans.reader import Reader
from core.scans.scan import Scan


def _read_one(data: bytes, choice: int | None) -> Scan:
    return read_series({"the file": data}, choice)


READER = Reader("DICOM", 5, is_dicom, _read_one, read_several=read_series, has_pages=True, of_discs=True)
