"""The published systems, run here: what is trained for each row of the table, on which split, and what came of it."""
