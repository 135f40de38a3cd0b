"""One module per format; each exports READER."""
