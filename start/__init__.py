"""What `make` runs before StageLens is installed; nothing but Python's own library."""
