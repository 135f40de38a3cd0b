"""Scoring an archive: any number of scans, on any number of processes or machines."""
