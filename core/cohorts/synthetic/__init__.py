"""Synthetic cohorts with a known ground truth, and out-of-distribution pictures."""
