"""A bundle in memory: forward passes, gradients, and what they say of a scan."""
