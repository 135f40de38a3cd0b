"""Interactive plots; each draws what it is given."""
