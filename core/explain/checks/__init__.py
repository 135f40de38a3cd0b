"""What is asked of a heatmap before it is believed."""
