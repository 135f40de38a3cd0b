"""People recovered from slices alone: slices in one pose, compared with each other, and grouped."""
