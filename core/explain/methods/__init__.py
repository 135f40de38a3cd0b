"""One file an explanation method; each exports EXPLAINER."""
