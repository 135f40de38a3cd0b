"""Pictures, one file a format."""
