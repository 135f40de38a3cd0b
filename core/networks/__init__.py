"""Recipes, the networks built from them, and bundles on disk."""
