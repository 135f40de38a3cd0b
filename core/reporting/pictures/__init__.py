"""Pictures of scans with what a network saw in them."""
