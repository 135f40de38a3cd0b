"""The colours of all plots."""

BAR_COLOUR = "#0F6E84"
OTHER_COLOUR = "#9DB8BF"
CLASS_COLOURS = ("#0F6E84", "#E69F00", "#CC79A7", "#8C510A", "#56B4E9")  # told apart without colour vision too
SHADES = [[0.0, "#F4F8F9"], [1.0, "#0F6E84"]]
