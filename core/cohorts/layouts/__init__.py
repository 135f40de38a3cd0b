"""One file a way of arranging scans on disk; each exports LAYOUT."""
