"""What the pages and the command line ask for, put together from the rooms below."""
