"""A bundle in memory: forward passes, gradients and predictions."""
