"""Start weights and trained weights: read, checked, assigned, written."""
