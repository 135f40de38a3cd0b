"""Checks that a heatmap has to pass before it is trusted."""
