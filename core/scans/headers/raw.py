"""Voxels as a text header describes them: where they begin, how they are packed, and of what type they are."""

import bz2
import zlib
from dataclasses import dataclass

import numpy as np

from core.errors import ScanError

GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS  # told apart by the first bytes


@dataclass(frozen=True)
class Raw:
    """How voxels lie in a file.

    Attributes:
        dtype: Of a voxel, with its byte order.
        shape: The fastest axis first.
        packing: "raw", "gzip" (zlib too), "bzip2" or "text".
        offset: Where they begin; -1 where they are the last bytes of the file.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    packing: str = "raw"
    offset: int = 0

    @property
    def n_bytes(self) -> int:
        """How many bytes they are, unpacked."""
        total = self.dtype.itemsize
        for side in self.shape:
            total *= int(side)
        return total

    def voxels(self, data: bytes) -> np.ndarray:
        """Return the voxels of a file's bytes.

        Raises:
            ScanError: They are fewer than the header states, or packed in another way.
        """
        if self.packing == "text":
            values = np.array(data[self.offset :].split(), self.dtype)
            if values.size * self.dtype.itemsize != self.n_bytes:
                raise ScanError(f"the file holds {values.size:,} values, not as many as its header states.")
            return values.reshape(self.shape, order="F")
        stored = data[self.offset :] if self.offset >= 0 else data[-self.n_bytes :]
        unpacked = self._unpacked(stored)
        if len(unpacked) < self.n_bytes:
            raise ScanError(
                f"the file is incomplete ({len(unpacked):,} of {self.n_bytes:,} bytes of voxels): please export or "
                "copy it again."
            )
        count = self.n_bytes // self.dtype.itemsize
        return np.frombuffer(unpacked, self.dtype, count).reshape(self.shape, order="F")

    def _unpacked(self, stored: bytes) -> bytes:
        if self.packing == "raw" or len(stored) == self.n_bytes:  # a .gz was unpacked before it came here
            return stored
        try:  # never more than the header states
            if self.packing == "bzip2":
                return bz2.BZ2Decompressor().decompress(stored, self.n_bytes)
            return zlib.decompressobj(GZIP_OR_ZLIB).decompress(stored, self.n_bytes)
        except (OSError, ValueError, zlib.error) as error:
            raise ScanError("the packed voxels are damaged: please export or copy the file again.") from error
