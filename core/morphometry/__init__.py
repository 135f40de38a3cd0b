"""Morphometry: tissues of a slab, and linear models of their maps. Knows no networks."""
