"""One file a format; each exports READER."""
