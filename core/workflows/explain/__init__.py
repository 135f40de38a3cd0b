"""Explaining a scan in depth, a whole part of a split, and which methods depend on a network at all."""
