"""The exact heatmap of morphometric models."""
