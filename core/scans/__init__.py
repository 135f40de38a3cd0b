"""Bytes become a Scan here; the only room that knows file formats."""

from core.scans.reading import display_name, read_scan, read_scan_file, readers
from core.scans.scan import BACKGROUND, Scan

__all__ = ["BACKGROUND", "Scan", "display_name", "read_scan", "read_scan_file", "readers"]
