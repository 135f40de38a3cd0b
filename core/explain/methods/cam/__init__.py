"""Class activation maps: the feature maps of a layer, weighted and summed."""
