"""Methods that follow the gradient of a logit with respect to the input."""
