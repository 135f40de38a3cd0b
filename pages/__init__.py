"""One file a page: widgets and words."""
