"""Cohorts that are made here, whose truth is known, and pictures that no network was trained on."""
