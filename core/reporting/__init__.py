"""What was computed, said and drawn: plots, text, pictures, the model card and the evaluation report."""
