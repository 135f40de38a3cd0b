"""One module per explanation method, by family; each exports EXPLAINER."""
