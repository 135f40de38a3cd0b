"""Formats of two files: a header, and the voxels that belong to it."""

from collections.abc import Callable, Mapping

from core.errors import ScanError
from core.words import counted


def header_and_data(
    files: Mapping[str, bytes], is_header: Callable[[bytes], bool], header_ending: str, data_ending: str
) -> tuple[bytes, bytes]:
    """Return the header and the voxels of the two files of a scan; their names play no part.

    Args:
        files: The two by name.
        is_header: Tells which of them is the header.
        header_ending: How the header's name ends, for the error.
        data_ending: The same of the other.

    Raises:
        ScanError: One of them is missing, or there are more than two.
    """
    headers = [data for data in files.values() if is_header(data)]
    others = [data for data in files.values() if not is_header(data)]
    if not headers:
        raise ScanError(f"this is an image without its header; give the {header_ending} file with it.")
    if not others:
        raise ScanError(f"this is a header without its image; give the {data_ending} file with it.")
    if len(headers) > 1 or len(others) > 1:
        found = f"{counted(len(headers), 'header')} and {counted(len(others), 'other file')}"
        raise ScanError(f"there are {found}; give one {header_ending} with its {data_ending}.")
    return headers[0], others[0]
