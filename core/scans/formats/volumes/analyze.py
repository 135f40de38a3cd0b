"""Analyze 7.5 and NIfTI as a pair of files (.hdr and .img)."""

from core.scans.nifti import is_pair_header, read_pair
from core.scans.reader import Reader
from core.scans.scan import Scan


def _read_alone(data: bytes, volume: int | None) -> Scan:
    return read_pair({"given": data}, volume)


def _image(stem: str, header: bytes) -> tuple[str, ...]:
    return (f"{stem}.img",)


READER = Reader("Analyze", 70, is_pair_header, _read_alone, read_several=read_pair, has_pages=True, beside=_image)
