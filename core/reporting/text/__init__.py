"""Findings as text that a person reads on a shell."""

NOTICE = "For research and education. Not a medical device."
