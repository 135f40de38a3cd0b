"""From a recipe to a Keras model: backbones, heads, and the layers around them."""
