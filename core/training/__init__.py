"""From a recipe and a split to trained weights, in phases."""
