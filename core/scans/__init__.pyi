"""Turns bytes into a Scan; the only package that knows file formats."""

from .names import display_name as display_name
from .raster import generated_name as generated_name
from .reading import read_files as read_files
from .reading import read_scan as read_scan
from .reading import read_scan_file as read_scan_file
from .reading import read_slice as read_slice
from .reading import readers as readers
from .reading import separate_scans as separate_scans
from .scan import BACKGROUND as BACKGROUND
from .scan import Scan as Scan
