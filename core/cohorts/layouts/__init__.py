"""One module per way of arranging scans on disk; each exports LAYOUT."""
