"""DICOM: one object, its pixels, and series of many."""
