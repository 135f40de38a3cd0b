"""One module per explanation method; each exports EXPLAINER."""
