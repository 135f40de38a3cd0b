"""Bytes become a Scan here; the only room that knows file formats."""

from core.scans.reading import display_name, read_scan, read_scan_file, readers
from core.scans.scan import Scan

__all__ = ["Scan", "display_name", "read_scan", "read_scan_file", "readers"]
