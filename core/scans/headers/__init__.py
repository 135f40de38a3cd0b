"""Volumes that a header describes: of text or bytes, with its voxels in the same file or beside it."""
