"""Turns bytes into a Scan; the only package that knows file formats."""

from core.scans.names import display_name
from core.scans.raster import generated_name
from core.scans.reading import read_files, read_scan, read_scan_file, read_slice, readers, separate_scans
from core.scans.scan import BACKGROUND, Scan

__all__ = [
    "BACKGROUND",
    "Scan",
    "display_name",
    "generated_name",
    "read_files",
    "read_scan",
    "read_scan_file",
    "read_slice",
    "readers",
    "separate_scans",
]
