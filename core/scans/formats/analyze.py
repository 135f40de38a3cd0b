"""Analyze 7.5 and NIfTI as a pair of files (.hdr and .img)."""

from core.scans.nifti import is_pair_header, read_pair
from core.scans.reader import Reader
from core.scans.scan import Scan


def _read_alone(data: bytes, volume: int | None) -> Scan:
    return read_pair({"given": data}, volume)


READER = Reader("Analyze", 70, is_pair_header, _read_alone, read_several=read_pair, has_pages=True)
