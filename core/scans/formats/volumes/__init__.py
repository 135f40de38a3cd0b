"""Volumes, one file a format."""
