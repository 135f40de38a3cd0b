"""The command line, a module a theme."""
