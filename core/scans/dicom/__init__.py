"""DICOM: single objects, their pixels, and series of many objects."""
