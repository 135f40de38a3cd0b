"""From a recipe and a split to trained weights, phase by phase."""
