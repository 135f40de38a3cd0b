"""NIfTI-1 and NIfTI-2 in one file (.nii; .nii.gz is unpacked beforehand)."""

from core.scans.nifti import is_single_file, read_single_file
from core.scans.reader import Reader

READER = Reader("NIfTI", 60, is_single_file, read_single_file, has_pages=True)
